namespace Offload.Engine.Tests;

/// <summary>Tests that change or measure what the whole process shares: no other test runs beside them.</summary>
[CollectionDefinition(nameof(ProcessWide), DisableParallelization = true)]
public sealed class ProcessWide;
