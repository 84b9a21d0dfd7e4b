namespace Offload.Engine.Training;

/// <summary>Shape of the learning rate after warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>Falls linearly to zero.</summary>
    Linear,

    /// <summary>Falls along half a cosine to zero.</summary>
    Cosine,

    /// <summary>Stays.</summary>
    Constant,
}
