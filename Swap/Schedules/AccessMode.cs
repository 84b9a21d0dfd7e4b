namespace Offload.Swap.Schedules;

/// <summary>What an operation does to a slot.</summary>
[Flags]
public enum AccessMode : byte
{
    /// <summary>Needs what is in it.</summary>
    Read = 1,

    /// <summary>Replaces what is in it; what was there is lost.</summary>
    Write = 2,

    /// <summary>Needs what is in it and changes it: gradient sums.</summary>
    Update = Read | Write,
}
