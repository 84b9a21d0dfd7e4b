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
    public void Steps_AnyModelAndPlan_HaveTheResidentModelsBits(int seed)
    {
        string? problem = PlanLaw.FindProblem(seed, _folder);

        Assert.True(problem is null, problem);
    }

    [Fact]
    public void Dispose_AfterManyRuns_KeepsNothing()
    {
        PlanLaw.FindProblem(1, _folder);
        long tensors = torch.Tensor.TotalCount;
        long bytes = NativeBuffer.OutstandingBytes + SlotArena.OutstandingBytes;

        for (int seed = 2; seed < 8; seed++)
        {
            PlanLaw.FindProblem(seed, _folder);
        }

        Assert.Equal(tensors, torch.Tensor.TotalCount);
        Assert.Equal(bytes, NativeBuffer.OutstandingBytes + SlotArena.OutstandingBytes);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }
}
