using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Offload.Benchmarks;
using Offload.Engine.Interop;

if (args is ["roofline", ..])
{
    return Roofline.Run(args.AsSpan(1));
}

if (args is ["layer", ..])
{
    TorchRuntime.Load(LibtorchLocator.Locate());
    return LayerComparison.Run(args.AsSpan(1));
}

if (args is ["executor"])
{
    return ExecutorOverhead.Run();
}

if (args is ["simulator"])
{
    return SimulatorRate.Run();
}

if (args is ["lanes", ..])
{
    return LaneRate.Run(args.AsSpan(1));
}

// In this process: the arrays are large and the kernels long, so nothing is won by a fresh process for each, and no second build is needed.
Job job = Job.InProcess
    .WithStrategy(RunStrategy.Monitoring)
    .WithWarmupCount(3)
    .WithIterationCount(20);
Summary[] summaries = [.. BenchmarkSwitcher.FromAssembly(typeof(Roofline).Assembly).Run(args, DefaultConfig.Instance.AddJob(job))];
TrafficSummary.Print(summaries, Console.Out);
return summaries.Length > 0 && summaries.All(summary => !summary.HasCriticalValidationErrors) ? 0 : 1;
