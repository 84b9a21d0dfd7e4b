using System.Runtime.InteropServices;
using Offload.Engine.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Interop;

[Collection(nameof(ProcessWide))]
public sealed class AtenOperatorTests
{
    [Fact]
    public void Call_UnknownOperator_CarriesLibtorchsText()
    {
        using Tensor a = ones(2, 3);
        var error = Assert.Throws<LibtorchException>(() => new AtenOperator("aten::no_such_thing").Call(a));
        Assert.Equal("libtorch: aten::no_such_thing failed: Could not find schema for aten::no_such_thing.", error.Message);
    }

    [Fact]
    public void Call_WrongShapes_CarriesLibtorchsText()
    {
        using Tensor a = ones(2, 3);
        var error = Assert.Throws<LibtorchException>(() => new AtenOperator("aten::mm").Call(a, a));
        Assert.Equal("libtorch: aten::mm failed: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", error.Message);
    }

    [Fact]
    public void Call_AfterAFailure_Works()
    {
        using DisposeScope scope = NewDisposeScope();
        var operation = new AtenOperator("aten::mm");
        Tensor a = Tensors23();
        Assert.Throws<LibtorchException>(() => operation.Call(a, a));
        Tensor product = operation.Call(a, a.t());
        Assert.Equal([2, 2], product.shape);
        Assert.Equal(14, product[0, 0].item<float>());
    }

    [Fact]
    public void Call_OverloadWithNumbers_Works()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sums = new AtenOperator("aten::cumsum").Call(Tensors23(), 1, AtenValue.None);
        Assert.Equal([1f, 3, 6, 4, 9, 15], sums.data<float>().ToArray());
    }

    [Fact]
    public void Call_Failing_PrintsNothing()
    {
        using Tensor a = ones(2, 3);
        using Tensor cube = ones(2, 2, 2);
        string printed = StandardErrorFile.Record(() =>
        {
            for (int i = 0; i < 3; i++)
            {
                Assert.Throws<LibtorchException>(() => new AtenOperator("aten::mm").Call(a, a));
                Assert.Throws<LibtorchException>(() => Aten.CausalAttentionCpu(cube, a, a));
            }
        });
        Assert.Equal("", printed);
    }

    [Fact]
    public void Silence_FirstUse_LeavesFatalErrorsAlone()
    {
        using Tensor a = ones(1);
        unsafe
        {
            Assert.True(Aten.DataPointer(a) != null);
            nint libc10 = DynamicLoader.FindLoaded("libc10.so");
            // Errors are 2, fatal ones 3: those must end the process, and say why.
            Assert.Equal(3, *(int*)NativeLibrary.GetExport(libc10, "FLAGS_caffe2_log_level"));
        }
    }

    [Fact]
    public void Call_FailingOnManyThreads_EachGetsItsOwnText()
    {
        const int numThreads = 4;
        const int numCalls = 12;
        var texts = new string[numThreads][];
        string printed = StandardErrorFile.Record(() => RunThreads(numThreads, thread =>
        {
            using Tensor a = ones(2, 3);
            texts[thread] = [.. Enumerable.Range(0, numCalls).Select(i =>
                Assert.Throws<LibtorchException>(() => new AtenOperator($"aten::none_{thread}_{i}").Call(a)).Message)];
        }));
        for (int thread = 0; thread < numThreads; thread++)
        {
            Assert.Equal(
                Enumerable.Range(0, numCalls).Select(i => $"libtorch: aten::none_{thread}_{i} failed: Could not find schema for aten::none_{thread}_{i}."),
                texts[thread]);
        }

        Assert.Equal("", printed);
    }

    [Fact]
    public void Call_FailingWhileOthersWrite_LosesNoneOfTheirLines()
    {
        const int numLines = 3000;
        string printed = StandardErrorFile.Record(() => RunThreads(2, thread =>
        {
            if (thread == 0)
            {
                for (int i = 0; i < numLines; i++)
                {
                    StandardErrorFile.Write($"line {i}: caf\u00e9\n");
                    if (i % 100 == 0)
                    {
                        Thread.Sleep(1);
                    }
                }
            }
            else
            {
                using Tensor a = ones(2, 3);
                for (int i = 0; i < 40; i++)
                {
                    Assert.Throws<LibtorchException>(() => new AtenOperator("aten::mm").Call(a, a));
                }
            }
        }));
        // Lines written during a failure come after it, so the order may change; none is lost, doubled or torn.
        string[] lines = printed.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            Enumerable.Range(0, numLines).Select(i => $"line {i}: caf\u00e9").Order(StringComparer.Ordinal),
            lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Call_FailingOften_KeepsNoTensorAlive()
    {
        var operation = new AtenOperator("aten::mm");
        long before = 0;
        for (int i = 0; i < 40; i++)
        {
            if (i == 4)
            {
                before = ResidentBytes();
            }

            using Tensor a = ones(2, 2 << 20);
            Assert.Throws<LibtorchException>(() => operation.Call(a, a));
        }

        // 16 MiB a call, if its handles were kept.
        Assert.InRange(ResidentBytes() - before, long.MinValue, 128L << 20);
    }

    private static Tensor Tensors23() => tensor(new float[] { 1, 2, 3, 4, 5, 6 }).view(2, 3);

    private static void RunThreads(int numThreads, Action<int> body)
    {
        Exception?[] errors = new Exception?[numThreads];
        Thread[] threads = [.. Enumerable.Range(0, numThreads).Select(i => new Thread(() => errors[i] = Record.Exception(() => body(i))))];
        foreach (Thread thread in threads)
        {
            thread.Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        Assert.All(errors, Assert.Null);
    }

    private static long ResidentBytes() => long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], null) * Environment.SystemPageSize;
}
