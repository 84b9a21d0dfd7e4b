using System.Reflection;

namespace Offload.Profiles.Hardware;

/// <summary>Profiles of common workstations that come along, for plans on machines that are not at hand: docs/hardware-profiles.md says where each number is from. Any thread.</summary>
public static class HardwareProfiles
{
    private const string Prefix = "Hardware/";

    private static readonly Assembly Home = typeof(HardwareProfiles).Assembly;

    /// <summary>All names, such as <c>rtx4090-2ssd</c>, in ordinal order.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Home.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Select(name => name[Prefix.Length..]).Order(StringComparer.Ordinal)];

    /// <summary>A profile by its name; letter case does not matter.</summary>
    /// <exception cref="UsageException">There is none of that name; lists those that there are.</exception>
    public static HardwareProfile Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string known = Names.FirstOrDefault(one => one.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"no hardware profile named '{name}': expected one of {string.Join(", ", Names)}", Hint);
        using Stream resource = Home.GetManifestResourceStream(Prefix + known)!;
        var json = new byte[resource.Length];
        resource.ReadExactly(json);
        return HardwareProfileFile.Parse(json, known);
    }

    /// <summary>A profile from a file if there is one of that path, else by its name.</summary>
    /// <param name="fileOrName">What the user wrote.</param>
    /// <exception cref="UsageException">Neither a file nor a name, or the file cannot be read or is no profile.</exception>
    public static HardwareProfile Load(string fileOrName)
    {
        ArgumentNullException.ThrowIfNull(fileOrName);
        if (!File.Exists(fileOrName))
        {
            return fileOrName.Contains('/', StringComparison.Ordinal) || fileOrName.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
                ? throw new UsageException($"{fileOrName}: no such file", $"give a hardware profile as JSON, or one of {string.Join(", ", Names)}")
                : Find(fileOrName);
        }

        byte[] json;
        try
        {
            json = File.ReadAllBytes(fileOrName);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{fileOrName}: cannot be read: {error.Message}", Hint, error);
        }

        return HardwareProfileFile.Parse(json, fileOrName);
    }

    private const string Hint = "a profile of another machine is a JSON file; see docs/hardware-profiles.md";
}
