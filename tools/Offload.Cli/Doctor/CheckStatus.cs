namespace Offload.Cli.Doctor;

/// <summary>Outcome of a check.</summary>
internal enum CheckStatus
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>Works, but slower, or not everything does.</summary>
    Warning,

    /// <summary>Not there, or broken.</summary>
    Missing,
}
