using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Cli.Demo;

/// <summary>The demo's model and text, which travel inside the program (docs/demo-model.md).</summary>
internal static class DemoAssets
{
    private const string Prefix = "Demo/";

    /// <summary>Writes the pretrained model's folder and the text below a folder.</summary>
    /// <param name="folder">An existing or new folder.</param>
    /// <returns>Folder of the model; file of the text.</returns>
    /// <exception cref="StorageException">Writing failed.</exception>
    internal static (string ModelFolder, string TextFile) Extract(string folder)
    {
        string modelFolder = Path.Combine(folder, "pretrained");
        foreach (string name in typeof(DemoAssets).Assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix + "model/", StringComparison.Ordinal)))
        {
            Write(name, Path.Combine(modelFolder, Path.GetFileName(name)));
        }

        string textFile = Path.Combine(folder, "questions.jsonl");
        Write(Prefix + "questions.jsonl", textFile);
        return (modelFolder, textFile);
    }

    private static void Write(string resource, string path)
    {
        using Stream source = typeof(DemoAssets).Assembly.GetManifestResourceStream(resource)
            ?? throw new UsageException($"the program was built without its demo ({resource})", "build it from a complete clone");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, "make the folder of the demo's file", error.Message, cause: error);
        }

        byte[] contents = new byte[source.Length];
        source.ReadExactly(contents);
        AtomicFile.Write(path, contents);
    }
}
