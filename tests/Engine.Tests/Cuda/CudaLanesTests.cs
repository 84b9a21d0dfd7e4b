using Offload.Engine.Cuda;
using Offload.Engine.Swapping.Cuda;
using Offload.Profiles.Tracing;
using Offload.Storage.Memory;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Tests.Cuda;

/// <summary>Copies through a GPU by the executor: 2 MiB each, so that order violations have time to show.</summary>
[Collection(nameof(ProcessWide))]
public sealed unsafe class CudaLanesTests : IDisposable
{
    private const long BlockBytes = 2 << 20;
    private const int NumBlocks = 6;
    private const int MaxAhead = 8;

    private static readonly OperationKind[] Kinds =
        [OperationKind.ReadWeights, OperationKind.LoadWeights, OperationKind.Forward, OperationKind.SaveGradients, OperationKind.UpdateStates];

    private readonly CudaDevice _device = CudaTestDevice.OpenOrSkip();

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_BlocksThroughTheGpu_ComeOutInOrderWithTheirTimes(bool isSequential)
    {
        const int NumPeriods = 40;
        using var buffers = new Buffers(_device);
        using var copies = new Copies(_device, buffers);
        StepTrace trace;
        using (var lanes = new CudaLanes(_device, copies.Compute, copies.ToDevice, copies.ToHost, MaxAhead, TimeProvider.System))
        {
            using var executor = new ScheduleExecutor(
                CreateSchedule(), copies, new ExecutorOptions { Devices = lanes, MaxAhead = MaxAhead, IsSequential = isSequential, MaxTracePeriods = NumPeriods });
            for (int period = 0; period < NumPeriods; period++)
            {
                executor.Release();

                // Longer than an anchor is kept.
                Thread.Sleep(period == 20 ? 1200 : 0);
            }

            executor.Drain();
            trace = executor.TakeTrace();
        }

        Assert.Equal(0, copies.NumWrong);
        Assert.Equal(NumPeriods * NumBlocks, copies.NumRight);
        Assert.Equal(NumPeriods, trace.NumPeriods);
        foreach (TraceOperation operation in trace.Operations.Where(operation => operation.Lane is (int)Lane.H2D or (int)Lane.D2H))
        {
            Assert.InRange(operation.EndSeconds - operation.StartSeconds, BlockBytes / 200e9, 0.1);
        }

        // What a block goes through comes one after the other, also where the clock changes: that of threads to that of the GPU and back.
        for (int i = 0; i < trace.Operations.Count; i++)
        {
            if (i % Kinds.Length != 0)
            {
                Assert.True(
                    trace.Operations[i].StartSeconds >= trace.Operations[i - 1].EndSeconds - 0.0005,
                    $"operation {i} begins {trace.Operations[i - 1].EndSeconds - trace.Operations[i].StartSeconds} s before the one before it ends");
            }
        }
    }

    [Fact]
    public void Run_AnotherAfterIt_TakesTurnsOverTheStreams()
    {
        using var buffers = new Buffers(_device);
        using var copies = new Copies(_device, buffers);
        for (int i = 0; i < 3; i++)
        {
            using var lanes = new CudaLanes(_device, copies.Compute, copies.ToDevice, copies.ToHost, MaxAhead, TimeProvider.System);
            using var executor = new ScheduleExecutor(CreateSchedule(), copies, new ExecutorOptions { Devices = lanes, MaxAhead = MaxAhead });
            executor.Release();
            executor.Release();
            executor.Drain();
        }

        Assert.Equal((6 * NumBlocks, 0), (copies.NumRight, copies.NumWrong));
    }

    /// <summary>Each block: filled by a thread, copied to the GPU, there, and back, and looked at by a thread. Two places of each kind.</summary>
    private static StepSchedule CreateSchedule()
    {
        var builder = new ScheduleBuilder();
        var slots = new int[4, 2];
        for (int i = 0; i < 8; i++)
        {
            slots[i / 2, i % 2] = builder.AddSlot($"slot {i}", i / 2 is 1 or 2 ? Tier.Gpu : Tier.Cpu, BlockBytes);
        }

        for (int block = 0; block < NumBlocks; block++)
        {
            for (int stage = 0; stage < Kinds.Length; stage++)
            {
                var operation = new Operation { Kind = Kinds[stage], Unit = block, MicroBatch = Operation.None, Tile = Operation.None, Amount = BlockBytes };
                SlotAccess[] accesses =
                [
                    .. stage == 0 ? [] : new[] { new SlotAccess(slots[stage - 1, block % 2], AccessMode.Read, block) },
                    .. stage == Kinds.Length - 1 ? [] : new[] { new SlotAccess(slots[stage, block % 2], AccessMode.Write, block) },
                ];
                builder.Add(operation, accesses);
            }
        }

        return builder.Build();
    }

    private sealed class Buffers : IDisposable
    {
        private readonly NativeBuffer _host = new(4 * BlockBytes);
        private readonly PinnedMemory _pinned;
        private readonly DeviceMemory _memory;

        public Buffers(CudaDevice device)
        {
            _pinned = new PinnedMemory(device, (byte*)_host.Address, _host.SizeBytes);
            _memory = new DeviceMemory(device, 4 * BlockBytes, "test", null);
        }

        /// <summary>A place: on the host for the first and last stage, else on the GPU.</summary>
        public byte* Address(int stage, int place) => (stage is 1 or 2 ? _memory.Address : _pinned.Address) + ((((stage is 2 or 3 ? 2 : 0) + place)) * BlockBytes);

        public void Dispose()
        {
            _memory.Dispose();
            _pinned.Dispose();
            _host.Dispose();
        }
    }

    private sealed class Copies(CudaDevice device, Buffers buffers) : IOperationHandler, IDisposable
    {
        public CudaStream Compute { get; } = CudaStream.Default(device);

        public CudaStream ToDevice { get; } = new(device);

        public CudaStream ToHost { get; } = new(device);

        public int NumRight { get; private set; }

        public int NumWrong { get; private set; }

        public void Run(int operation, long period, CancellationToken cancellation)
        {
            int stage = operation % Kinds.Length;
            int block = operation / Kinds.Length;
            long mark = (period * NumBlocks) + block + 1;
            switch (stage)
            {
                case 0:
                    new Span<long>(buffers.Address(0, block % 2), (int)(BlockBytes / sizeof(long))).Fill(mark);
                    break;
                case 4:
                    bool isRight = !new Span<long>(buffers.Address(3, block % 2), (int)(BlockBytes / sizeof(long))).ContainsAnyExcept(mark);
                    NumRight += isRight ? 1 : 0;
                    NumWrong += isRight ? 0 : 1;
                    break;
                default:
                    CudaStream stream = stage == 1 ? ToDevice : stage == 2 ? Compute : ToHost;
                    stream.Copy(buffers.Address(stage, block % 2), buffers.Address(stage - 1, block % 2), BlockBytes);
                    break;
            }
        }

        public void Dispose()
        {
            Compute.Dispose();
            ToDevice.Dispose();
            ToHost.Dispose();
        }
    }
}
