using System.ComponentModel;
using System.Diagnostics;

namespace Offload.Storage.Tests.Devices;

/// <summary>A file system of its own, where the system lets us mount one (root); else the test is skipped.</summary>
internal sealed class MountedFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <param name="prepare">Program and arguments to run before the mount; {0} is a path for a file; null: nothing.</param>
    /// <param name="mount">Arguments of mount before the folder; {0} is that path.</param>
    internal MountedFolder(string? prepare, string mount)
    {
        Directory.CreateDirectory(_folder["mounted"]);
        bool isMounted = Environment.IsPrivilegedProcess && (prepare is null || Run(string.Format(null, prepare, _folder["image"]))) && Run($"mount {string.Format(null, mount, _folder["image"])} {_folder["mounted"]}");
        if (!isMounted)
        {
            _folder.Dispose();
        }

        Assert.SkipUnless(isMounted, "cannot mount here");
    }

    internal string this[string name] => Path.Join(_folder["mounted"], name);

    public void Dispose()
    {
        Assert.True(Run($"umount {_folder["mounted"]}"));
        _folder.Dispose();
    }

    private static bool Run(string command)
    {
        string[] words = command.Split(' ');
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
