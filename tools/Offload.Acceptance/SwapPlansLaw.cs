using Offload.Engine.Interop;
using Offload.Engine.Tests.Swapping;

namespace Offload.Acceptance;

/// <summary>Laws 2 and 3, many times: see <see cref="PlanLaw"/>.</summary>
internal static class SwapPlansLaw
{
    private const int NumSeeds = 1000;

    public static bool Run(TextWriter output)
    {
        _ = TorchRuntime.Current;
        string folder = Directory.CreateTempSubdirectory("offload-plans-").FullName;
        int numWrong = 0;
        try
        {
            for (int seed = 0; seed < NumSeeds; seed++)
            {
                if (PlanLaw.FindProblem(seed, folder) is { } problem)
                {
                    output.WriteLine($"  {problem}");
                    numWrong++;
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        output.WriteLine($"  {NumSeeds} models and plans, {numWrong} with other bits");
        return numWrong == 0;
    }
}
