using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Offload.Profiles.Hardware;

/// <summary>Reads and writes hardware profiles as JSON. Unknown names, missing ones and numbers that are no rate are refused.</summary>
public static class HardwareProfileFile
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        WriteIndented = true,
    };

    /// <summary>Parses a profile.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="source">Names it in messages: the file's path.</param>
    /// <exception cref="UsageException">Not a profile; says which name or number is wrong.</exception>
    public static HardwareProfile Parse(ReadOnlySpan<byte> json, string source)
    {
        HardwareProfile profile;
        try
        {
            profile = JsonSerializer.Deserialize<HardwareProfile>(json, Options)
                ?? throw new UsageException($"{source}: expected a hardware profile, found null", Hint);
        }
        catch (JsonException error)
        {
            throw new UsageException($"{source}: not a hardware profile: {error.Message}", Hint, error);
        }

        foreach ((string section, object? rates) in new (string, object?)[] { ("gpu", profile.Gpu), ("cpu", profile.Cpu), ("ssd", profile.Ssd) })
        {
            RequirePositive(source, section, rates);
        }

        return profile;
    }

    /// <summary>A profile as UTF-8 JSON, for people to read and change.</summary>
    public static byte[] Format(HardwareProfile profile) => JsonSerializer.SerializeToUtf8Bytes(profile, Options);

    /// <summary>The fragment that a measurement of the drives alone can give: an object of which <c>ssd</c> is the only member.</summary>
    public static byte[] FormatFragment(SsdProfile ssd) =>
        JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, SsdProfile> { ["ssd"] = ssd }, Options);

    private const string Hint = "its names are those of a file that offload writes; see docs/hardware-profiles.md";

    private static void RequirePositive(string source, string section, object? rates)
    {
        foreach (PropertyInfo property in rates?.GetType().GetProperties() ?? [])
        {
            double? number = property.GetValue(rates) switch
            {
                double value => value,
                int value => value,
                _ => null,
            };
            if (number is double found && !(found > 0 && double.IsFinite(found)))
            {
                throw new UsageException(
                    FormattableString.Invariant($"{source}: {section}.{JsonNamingPolicy.CamelCase.ConvertName(property.Name)}: expected a number above zero, found {found}"), Hint);
            }
        }
    }
}
