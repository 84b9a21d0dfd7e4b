namespace Offload.Engine.Training;

/// <summary>What a step does whose loss or gradient is not finite.</summary>
public enum NonFiniteAction : byte
{
    /// <summary>It makes no update, and training goes on, up to a number of such steps in a row.</summary>
    Skip,

    /// <summary>It ends the run, which stays where the step before left it.</summary>
    Stop,
}
