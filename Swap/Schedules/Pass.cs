namespace Offload.Swap.Schedules;

/// <summary>What a pass over the units is for.</summary>
public enum Pass : byte
{
    /// <summary>Forward, backward and update.</summary>
    Train,

    /// <summary>Forward alone: evaluation, generation, verification.</summary>
    Forward,

    /// <summary>Forward of a second, frozen model.</summary>
    Reference,
}
