namespace Offload.Acceptance.Fio;

/// <summary>A sequential load.</summary>
internal enum LoadKind
{
    /// <summary>Of the whole file.</summary>
    Read,

    /// <summary>Over the whole file.</summary>
    Write,

    /// <summary>Reads of the first half and writes over the second at once, half the queue each.</summary>
    Mixed,
}
