using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Profiles.Tracing;
using Offload.Storage.States;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Simulation;

namespace Offload.Acceptance.Swap;

/// <summary>Steps of a model on throttled devices: drives are memory, everything else is as in a training run.</summary>
internal static class ThrottledRun
{
    /// <summary>Trains and measures.</summary>
    /// <param name="model">What.</param>
    /// <param name="plan">How.</param>
    /// <param name="rates">On what.</param>
    /// <param name="numSteps">Steps whose times count.</param>
    /// <param name="isSequential">One operation at a time.</param>
    public static ThrottledResult Measure(SmallModel model, SwapPlan plan, DeviceRates rates, int numSteps, bool isSequential = false)
    {
        ComputeThreads.Set(model.Numerics.ComputeThreads);
        string folder = Directory.CreateTempSubdirectory("offload-swap-").FullName;
        try
        {
            StoreDescription description = StoreOwner.Of(model.Layout, model.Numerics.Type, "throttled").Describe(model.Layout, model.Work.TileParameters, generations: 2);
            using StateStore store = StateStore.Create(rates.CreateDrive(StoreGeometry.Of(description).SizeBytes), description);
            // Two fill the pipeline, and the last one has the lanes to itself at its end; one at a time, the first has nothing of a step before it.
            (int numFirst, int numLast) = isSequential ? (1, 0) : (2, 1);
            int numAll = numFirst + numSteps + numLast;
            SwapModelOptions options = rates.ToOptions() with { IsSequential = isSequential, MaxTracePeriods = numAll, ScratchFolders = [folder] };
            using var swapped = new SwapModel(model.Layout, model.Numerics, model.Work, plan, store, options);
            model.Initialise(swapped.States);
            swapped.States.Save();
            store.Commit(0, []);
            Run(swapped, model, new SteadySteps(store), numAll);
            StepTrace trace = swapped.TakeTrace();
            double[] steps = [.. Enumerable.Range(numFirst, numSteps).Select(i => trace.PeriodEndSeconds[i] - trace.PeriodEndSeconds[i - 1])];
            return new ThrottledResult(Median(steps), trace, swapped.PeakCpuBytes, swapped.PeakGpuBytes);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The same on the virtual clock.</summary>
    public static SimulationResult Predict(SmallModel model, SwapPlan plan, DeviceRates rates) =>
        new CostModel(rates.ToProfile(), model.Work, Costs).Simulate(SwapSchedules.Train(model.Work, plan));

    /// <summary>Nothing is clipped here, so nothing is done again.</summary>
    public static CostOptions Costs { get; } = new() { RedoneFraction = 0 };

    private static void Run(SwapModel swapped, SmallModel model, SteadySteps decider, int numSteps)
    {
        int numBegun = 0;
        for (int step = 0; step < numSteps; step++)
        {
            for (; numBegun < Math.Min(numSteps, step + swapped.MaxBegun); numBegun++)
            {
                swapped.Begin(new StepWork(numBegun, model.Batches(numBegun), decider));
            }

            swapped.End();
        }

        swapped.Complete();
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[sorted.Length / 2] + sorted[(sorted.Length - 1) / 2]) / 2;
    }
}
