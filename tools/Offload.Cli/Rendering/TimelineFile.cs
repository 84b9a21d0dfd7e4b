using System.Text;
using Offload.Profiles;
using Offload.Profiles.Rendering;
using Offload.Storage.Files;

namespace Offload.Cli.Rendering;

/// <summary>Writes traces as the file that a user names; its ending says what it is. Stateless: any thread.</summary>
internal static class TimelineFile
{
    /// <summary>Refuses a name whose ending means nothing, and a folder that is not there: before the work, not after it.</summary>
    /// <param name="option">For the message: <c>--timeline</c>.</param>
    /// <param name="path">What the user wrote.</param>
    /// <exception cref="UsageException">Not .png, .html or .json, or its folder does not exist.</exception>
    public static void Check(string option, string path)
    {
        if (Path.GetExtension(path).ToLowerInvariant() is not (".png" or ".html" or ".json"))
        {
            throw new UsageException($"{option}: expected a file ending in .png, .html or .json, found {path}", ".png is a picture, .html a page to zoom in, .json a trace for ui.perfetto.dev");
        }

        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
        {
            throw new UsageException($"{option}: the folder {folder} does not exist", "make it first, or name another one");
        }
    }

    /// <summary>Writes the file, whole or not at all; replaces an old one.</summary>
    /// <param name="path">As <see cref="Check"/> takes it.</param>
    /// <param name="title">Heading.</param>
    /// <param name="notes">Lines for a page.</param>
    /// <param name="traces">What to draw.</param>
    public static void Write(string path, string title, IReadOnlyList<string> notes, params IReadOnlyList<NamedTrace> traces)
    {
        AtomicFile.Write(path, Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".png" => PngTimeline.Render(title, traces),
            ".html" => Encoding.UTF8.GetBytes(HtmlTimeline.Render(title, notes, traces)),
            _ => Chrome(traces),
        });
    }

    private static byte[] Chrome(IReadOnlyList<NamedTrace> traces)
    {
        using var output = new MemoryStream();
        ChromeTrace.Write(output, traces);
        return output.ToArray();
    }
}
