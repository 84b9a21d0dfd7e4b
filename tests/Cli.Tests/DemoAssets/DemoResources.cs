using System.Reflection;

namespace Offload.Cli.Tests.DemoAssets;

/// <summary>What the program embeds for its demo.</summary>
internal static class DemoResources
{
    /// <summary>The bytes of an embedded file, named by its path below <c>Demo</c>.</summary>
    public static byte[] Read(string path)
    {
        using Stream stream = Assembly.Load("offload").GetManifestResourceStream("Demo/" + path)
            ?? throw new InvalidOperationException($"The program embeds no Demo/{path}.");
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
