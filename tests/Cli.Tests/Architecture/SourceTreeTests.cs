using System.Text.RegularExpressions;

namespace Offload.Cli.Tests.Architecture;

/// <summary>Habits of the source tree that no compiler checks.</summary>
public partial class SourceTreeTests
{
    private const int MaxLines = 500;

    [Fact]
    public void SourceFiles_OfTheRepository_AreFound() =>
        Assert.Superset(new HashSet<string> { "Engine/Training/Trainer.cs", "tools/Offload.Cli/Program.cs" }, SourceTree.SourceFiles.ToHashSet());

    [Fact]
    public void Namespace_OfEveryFile_IsItsProjectAndFolder()
    {
        var wrong = new List<string>();
        foreach (string path in SourceTree.SourceFiles.Where(path => Path.GetFileName(path) != "Program.cs"))
        {
            string project = SourceTree.ProjectFile(path)!;
            string folder = Path.GetRelativePath(Path.GetDirectoryName(project)!, Path.GetDirectoryName(path)!);
            string expected = Path.GetFileNameWithoutExtension(project) + (folder == "." ? "" : "." + folder.Replace(Path.DirectorySeparatorChar, '.'));
            string found = NamespaceLine().Match(File.ReadAllText(Path.Combine(SourceTree.Root, path))).Groups[1].Value;
            if (found != expected)
            {
                wrong.Add($"{path}: expected namespace {expected}, found '{found}'");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Lines_OfEverySourceFile_AreFew()
    {
        IEnumerable<string> longFiles = SourceTree.SourceFiles.Where(path => File.ReadLines(Path.Combine(SourceTree.Root, path)).Count() >= MaxLines);

        Assert.Empty(longFiles);
    }

    [Fact]
    public void TextFiles_OfTheRepository_NameNoPlaceOnAnyonesMachine()
    {
        var found = new List<string>();
        foreach (string path in SourceTree.TextFiles)
        {
            Match match = MachinePath().Match(File.ReadAllText(Path.Combine(SourceTree.Root, path)));
            if (match.Success)
            {
                found.Add($"{path}: {match.Value}");
            }
        }

        Assert.Empty(found);
    }

    [Theory]
    [InlineData("see /hom", "e/someone/models")]
    [InlineData("\"/wor", "k/cases\"")]
    [InlineData("/tm", "p/verify.txt")]
    public void MachinePath_OfAnAbsolutePath_Matches(string start, string end) => Assert.Matches(MachinePath(), start + end);

    [Theory]
    [InlineData(".../site-packages/torch/lib")]
    [InlineData("/proc/self/maps")]
    [InlineData("<model>/tmp/x")]
    public void MachinePath_OfASystemOrRelativePath_DoesNotMatch(string text) => Assert.DoesNotMatch(MachinePath(), text);

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    // Folders of users, of build machines and of temporary files; /proc, /etc and their like are the same on every machine.
    [GeneratedRegex(@"(?<![\w.~*>})-])/(home|root|work|tmp|Users|mnt|media|srv|builds?)/\w", RegexOptions.CultureInvariant)]
    private static partial Regex MachinePath();
}
