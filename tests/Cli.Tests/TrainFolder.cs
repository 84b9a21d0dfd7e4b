using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests;

/// <summary>A tiny model and text in a folder of their own, and the command line that trains on them in a second.</summary>
internal sealed class TrainFolder : IDisposable
{
    internal TrainFolder()
    {
        Model = TinyModel.Write(this["model"]);
        Data = TinyModel.WriteText(this["data.txt"]);
    }

    internal string Path { get; } = Directory.CreateTempSubdirectory("offload-train-").FullName;

    internal string Model { get; set; }

    internal string Data { get; set; }

    internal string Output => this["run"];

    internal string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);

    internal CliRun Train(params string[] further) => CliRun.InProcess(Args(further));

    /// <summary>The command line; options among <paramref name="further"/> take the place of the usual ones.</summary>
    internal string[] Args(params string[] further)
    {
        (string Name, string Value)[] usual =
        [
            ("--model", Model), ("--data", Data), ("--output", Output), ("--steps", "6"), ("--seq-len", "16"), ("--micro-batch", "2"), ("--tokens-per-step", "64"), ("--threads", "1"),
        ];
        return ["train", .. usual.Where(option => !further.Contains(option.Name)).SelectMany(option => new[] { option.Name, option.Value }), .. further];
    }
}
