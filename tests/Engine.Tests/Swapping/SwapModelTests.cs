using Offload.Storage.Memory;
using TorchSharp;

namespace Offload.Engine.Tests.Swapping;

[Collection(nameof(ProcessWide))]
public sealed class SwapModelTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(0, 60)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Steps_AnyModelAndPlan_HaveTheResidentModelsBits(int seed) => Assert.Null(PlanLaw.FindProblem(seed, _folder));

    [Fact]
    public void Dispose_AfterManyRuns_KeepsNothing()
    {
        PlanLaw.FindProblem(1, _folder);
        long tensors = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        long bytes = NativeBuffer.OutstandingBytes + SlotArena.OutstandingBytes;

        for (int seed = 2; seed < 8; seed++)
        {
            PlanLaw.FindProblem(seed, _folder);
        }

        Assert.Equal(tensors, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.Equal(bytes, NativeBuffer.OutstandingBytes + SlotArena.OutstandingBytes);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }
}
