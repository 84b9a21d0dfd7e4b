using System.Text.RegularExpressions;

namespace Offload.Storage.Benchmarks;

/// <summary>A mounted file system.</summary>
/// <param name="DeviceNumber">Major and minor number: "259:2".</param>
/// <param name="Point">Where it is mounted.</param>
/// <param name="FileSystem">Its type.</param>
/// <param name="Source">What was mounted: "/dev/nvme0n1p2".</param>
internal sealed partial record Mount(string DeviceNumber, string Point, string FileSystem, string Source)
{
    /// <summary>The one that a path lies on; null if the system does not tell.</summary>
    public static Mount? Of(string fullPath) => Find(SystemText.Read("/proc/self/mountinfo") ?? "", ResolveLinks(fullPath));

    /// <summary>The last of those mounted nearest above the path: it hides the others.</summary>
    /// <param name="mountInfo">Contents of /proc/self/mountinfo.</param>
    /// <param name="path">A full path without links.</param>
    internal static Mount? Find(string mountInfo, string path)
    {
        Mount? nearest = null;
        foreach (string line in mountInfo.Split('\n'))
        {
            // "36 35 98:0 /root /point options - type source super-options", with any number of fields before the dash.
            string[] fields = line.Split(' ');
            int dash = Array.IndexOf(fields, "-");
            if (dash < 6 || fields.Length < dash + 3)
            {
                continue;
            }

            string point = Unescape(fields[4]);
            if (IsAbove(point, path) && point.Length >= (nearest?.Point.Length ?? 0))
            {
                nearest = new Mount(fields[2], point, fields[dash + 1], Unescape(fields[dash + 2]));
            }
        }

        return nearest;
    }

    private static bool IsAbove(string point, string path) =>
        point == "/" || path == point || path.StartsWith(point + "/", StringComparison.Ordinal);

    private static string Unescape(string text) => Octal().Replace(text, match => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString());

    private static string ResolveLinks(string fullPath)
    {
        string resolved = "/";
        foreach (string name in fullPath.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(resolved, name);
            try
            {
                resolved = new DirectoryInfo(next).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? next;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Missing, or not for us to see: what is known so far is the best that can be said.
                resolved = next;
            }
        }

        return resolved;
    }

    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex Octal();
}
