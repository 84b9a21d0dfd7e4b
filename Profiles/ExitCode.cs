namespace Offload.Profiles;

/// <summary>What the process tells its caller; documented in docs/command-line.md.</summary>
public enum ExitCode
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>The work was begun and failed: I/O, native library, NaN limit, a case of <c>verify</c>.</summary>
    Failed = 1,

    /// <summary>The command line or configuration file is wrong.</summary>
    Usage = 2,

    /// <summary>No plan fits the given budgets.</summary>
    Infeasible = 3,

    /// <summary>The state store or checkpoint is corrupt, or belongs to another model or run.</summary>
    Store = 4,

    /// <summary>The model, data or tokenizer cannot be read.</summary>
    UnreadableInput = 5,

    /// <summary>Interrupted by the user, after a clean commit.</summary>
    Interrupted = 130,
}
