namespace Offload.Cli.Tests;

/// <summary>Tests that compare bits: the number of compute threads belongs to the process, so no other test runs beside them.</summary>
[CollectionDefinition(nameof(ProcessWide), DisableParallelization = true)]
public sealed class ProcessWide;
