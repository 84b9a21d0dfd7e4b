namespace Offload.Storage.Tests;

/// <summary>Tests that measure what the whole process allocates run one at a time, after the others.</summary>
[CollectionDefinition(nameof(ProcessWide), DisableParallelization = true)]
public sealed class ProcessWide;
