namespace Offload.Engine.Verification;

/// <summary>Outcome of one reference case.</summary>
public enum CaseStatus
{
    /// <summary>All errors are within their limits.</summary>
    Passed,

    /// <summary>An error is beyond its limit, or the case could not be run.</summary>
    Failed,

    /// <summary>The kind of case is not supported yet; it does not count as passed.</summary>
    Unsupported,
}
