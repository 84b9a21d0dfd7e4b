using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.States;
using Offload.Storage.Safetensors;
using Offload.Storage.States;

namespace Offload.Acceptance.Import;

/// <summary>One stage of <see cref="LargeImport"/>, in a process of its own.</summary>
internal static class ImportStage
{
    /// <summary>Where the last stage exports to, below the check's folder.</summary>
    public const string ExportFolder = "exported";

    /// <summary>The stages in order.</summary>
    public static IReadOnlyList<string> Names { get; } = ["import", "verify", "export"];

    /// <summary>Runs it and prints the process's largest resident memory in bytes.</summary>
    public static int Run(string stage, string folder)
    {
        string model = Path.Combine(folder, "model");
        string[] drives = [Path.Combine(folder, "drive")];
        switch (stage)
        {
            case "import":
                Import(model, drives);
                break;
            case "verify":
                Verify(drives);
                break;
            case "export":
                Export(model, drives, Path.Combine(folder, ExportFolder));
                break;
        }

        Console.WriteLine(PeakBytes());
        return 0;
    }

    public static StoreDescription Describe(ModelLayout layout) =>
        StoreOwner.Of(layout, ComputeType.BFloat16, "import").Describe(layout, StoreDescription.DefaultTileParameters, generations: 2);

    private static void Import(string model, string[] drives)
    {
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(model));
        using StateStore store = StoreFiles.Create(drives, Describe(layout), new StoreFilesOptions());
        using var ring = new TileRing(store);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(model);
        var import = new StoreImport(layout, ring);
        ModelImport.Read(checkpoint, import);
        import.CompleteMasters();
        store.Commit(0, "{}"u8);
    }

    private static void Verify(string[] drives)
    {
        using StateStore store = StoreFiles.Open(drives, new StoreFilesOptions());
        VerifyReport report = store.Verify();
        if (!report.IsIntact)
        {
            throw new InvalidOperationException(report.Damage[0].ToString());
        }
    }

    private static void Export(string model, string[] drives, string output)
    {
        using StateStore store = StoreFiles.Open(drives, new StoreFilesOptions());
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(model));
        ModelExport.Write(new StoreMasters(layout, store), HubCompanions.Read(model), output, ComputeType.BFloat16);
    }

    private static long PeakBytes()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], System.Globalization.CultureInfo.InvariantCulture) * 1024;
    }
}
