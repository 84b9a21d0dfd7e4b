using Offload.Engine.Compute;
using Offload.Engine.Hub;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Tests.Compute;
using Offload.Engine.Tests.Data;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Planning;

namespace Offload.Engine.Tests.Swapping;

/// <summary>A swapped model that cannot be made, and one whose time is over.</summary>
[Collection(nameof(ProcessWide))]
public sealed class SwapLifetimeTests : IDisposable
{
    private const int TileParameters = 4096;

    private readonly TempFolder _folder = new();
    private readonly Random _random = new(5);
    private readonly ModelLayout _layout;
    private readonly RunNumerics _numerics;
    private readonly Workload _work;

    public SwapLifetimeTests()
    {
        _ = TorchRuntime.Current;
        _layout = ModelLayout.Create(RandomModels.Config(_random));
        _numerics = new RunNumerics { Type = ComputeType.Float32, SequenceTokens = 6, MicroBatchSequences = 2, Seed = 0, ComputeThreads = 2 };
        _work = ModelWorkload.Create(_layout, ComputeType.Float32, 6, 2, numMicroBatches: 2, _numerics.HeadChunkTokens, TileParameters);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("gpu", "GPU memory")]
    [InlineData("workspace", "GPU memory")]
    [InlineData("cpu", "CPU memory")]
    public void Create_BudgetIsTooSmall_NamesItAndKeepsNothing(string budget, string named)
    {
        ProcessResources atRest = ProcessResources.AtRest();
        using (StateStore store = NewStore())
        {
            ProcessResources before = ProcessResources.Now();
            SwapModelOptions options = Options() with
            {
                GpuBytes = budget == "gpu" ? _work.WorkspaceBytes + 4096 : budget == "workspace" ? _work.WorkspaceBytes - 1 : long.MaxValue,
                CpuBytes = budget == "cpu" ? 4096 : long.MaxValue,
            };

            var error = Assert.Throws<MemoryLimitException>(() => NewModel(store, options));

            Assert.Contains(named, error.Message, StringComparison.Ordinal);
            Assert.Equal(before, ProcessResources.After(before));
        }

        Assert.Equal(atRest, ProcessResources.After(atRest));
    }

    [Fact]
    public void Create_ScratchFolderIsMissing_NamesItAndKeepsNothing()
    {
        using StateStore store = NewStore();
        ProcessResources before = ProcessResources.AtRest();

        OffloadException error = Assert.ThrowsAny<OffloadException>(() => NewModel(store, Options() with { ScratchFolders = [_folder["missing"]] }));

        Assert.Contains(_folder["missing"], error.Message, StringComparison.Ordinal);
        Assert.Equal(before, ProcessResources.After(before));
    }

    [Fact]
    public void AnyCall_Disposed_IsRefused()
    {
        using StateStore store = NewStore();
        SwapModel model = NewModel(store, Options());
        model.Dispose();
        model.Dispose();

        Assert.Throws<ObjectDisposedException>(() => model.Begin(new StepWork(0, Batches(2), new Decider())));
        Assert.Throws<ObjectDisposedException>(model.Complete);
        Assert.Throws<ObjectDisposedException>(() => model.Evaluate(Batches(3)));
        Assert.Throws<ObjectDisposedException>(() => model.ReadMasters([new MasterRange(0, 0, 1)], (_, _, _) => { }, TestContext.Current.CancellationToken));
        Assert.Throws<ObjectDisposedException>(() => model.States.WriteMasters(0, 0, [1f]));
        Assert.Throws<ObjectDisposedException>(model.States.CompleteMasters);
        Assert.Throws<ObjectDisposedException>(() => model.States.Load(TestContext.Current.CancellationToken));
        Assert.Throws<ObjectDisposedException>(model.States.Save);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dispose_LaneIsInTheMiddleOfAnOperation_WaitsForItAndReturns(bool isSequential)
    {
        ProcessResources atRest = ProcessResources.AtRest();
        using var isBegun = new ManualResetEventSlim();
        using var goesOn = new ManualResetEventSlim();
        using (StateStore store = NewStore())
        {
            SwapModel model = NewModel(store, Options() with
            {
                IsSequential = isSequential,
                BeforeOperation = (operation, _) =>
                {
                    if (operation.Kind == OperationKind.Backward)
                    {
                        isBegun.Set();
                        goesOn.Wait(TimeSpan.FromSeconds(10));
                    }
                },
            });
            RandomInitialization.Fill(model.States, seed: 1, CancellationToken.None);
            model.States.CompleteMasters();
            model.States.Save();
            store.Commit(0, []);
            model.Begin(new StepWork(0, Batches(2), new Decider()));
            model.Begin(new StepWork(1, Batches(2), new Decider()));
            Assert.True(isBegun.Wait(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));

            var dispose = new Thread(model.Dispose);
            dispose.Start();
            Assert.False(dispose.Join(TimeSpan.FromMilliseconds(50)));
            goesOn.Set();

            Assert.True(dispose.Join(TimeSpan.FromSeconds(10)));
        }

        Assert.Equal(atRest, ProcessResources.After(atRest));
    }

    [Fact]
    public void Dispose_CopyWouldTakeHours_EndsIt()
    {
        using var isBegun = new ManualResetEventSlim();
        using StateStore store = NewStore();
        SwapModel model = NewModel(store, Options() with
        {
            H2dBytesPerSecond = 1,
            BeforeOperation = (operation, _) =>
            {
                if (operation.Lane == Lane.H2D)
                {
                    isBegun.Set();
                }
            },
        });
        RandomInitialization.Fill(model.States, seed: 1, TestContext.Current.CancellationToken);
        model.States.CompleteMasters();
        model.States.Save();
        store.Commit(0, []);
        model.Begin(new StepWork(0, Batches(2), new Decider()));
        Assert.True(isBegun.Wait(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));

        var dispose = new Thread(model.Dispose);
        dispose.Start();

        Assert.True(dispose.Join(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void Evaluate_LaneFails_TellsItEachTimeAndTrainingGoesOn()
    {
        using StateStore store = NewStore();
        var error = new TimeoutException("the lane's");
        using SwapModel model = NewModel(store, Options() with { BeforeOperation = (operation, _) => ThrowIf(operation.Kind == OperationKind.ForwardLoss) });
        RandomInitialization.Fill(model.States, seed: 1, TestContext.Current.CancellationToken);
        model.States.CompleteMasters();
        model.States.Save();
        store.Commit(0, []);

        Assert.Same(error, Assert.Throws<TimeoutException>(() => model.Evaluate(Batches(5))));
        Assert.Same(error, Assert.Throws<TimeoutException>(() => model.Evaluate(Batches(5))));

        Assert.True(model.IsWhole);
        model.Begin(new StepWork(0, Batches(2), new Decider()));
        model.End();
        model.Complete();

        void ThrowIf(bool fails)
        {
            if (fails)
            {
                throw error;
            }
        }
    }

    private SwapModelOptions Options() => new() { ScratchFolders = [_folder.Path] };

    private SwapModel NewModel(StateStore store, SwapModelOptions options)
    {
        // One that uses scratch files and both memories.
        SwapPlan plan = Enumerable.Range(0, 1000).Select(seed => RandomPlan.For(_work, new Random(seed))).First(found =>
            found is { IsDurable: true, Update: UpdateMode.Separate } && found.Units[1] is { Input: Tier.Nvme, States: Tier.Cpu });
        return new SwapModel(_layout, _numerics, _work, plan, store, options);
    }

    private StateStore NewStore()
    {
        StoreDescription description = StoreOwner.Of(_layout, ComputeType.Float32, "test").Describe(_layout, TileParameters, generations: 2);
        return StateStore.Create(new MemoryDevice(StoreGeometry.Of(description).SizeBytes), description);
    }

    private MicroBatch[] Batches(int count) => [.. Enumerable.Range(0, count).Select(_ =>
    {
        var shape = new BatchShape(2, 6);
        int[] Ids() => [.. Enumerable.Range(0, shape.Rows).Select(_ => _random.Next(_layout.Config.VocabularySize))];
        return new MicroBatch(shape, Ids(), Ids());
    })];

    private sealed class Decider : IStepDecider
    {
        private readonly UpdateStep _update = new(Constants, Constants, WeightDecayScope.Matrices);

        private static AdamWStep Constants => new(new AdamWOptions(0.9, 0.95, 1e-8, 0), 0.01, 1, 1);

        public UpdateStep Unclipped(long step) => _update;

        public UpdateStep? Decide(long step, StepGradients gradients) => _update;

        public bool CommitIsDue(long step) => false;

        public void Commit(long step)
        {
        }
    }
}
