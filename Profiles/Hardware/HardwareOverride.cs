using System.Globalization;
using System.Text.Json.Nodes;

namespace Offload.Profiles.Hardware;

/// <summary>Changes single numbers of a profile: <c>gpu.memoryGiB=24</c>. The names are those of the JSON file. Stateless: any thread.</summary>
public static class HardwareOverride
{
    private static readonly (string Section, Type Rates)[] Sections = [("gpu", typeof(GpuProfile)), ("cpu", typeof(CpuProfile)), ("ssd", typeof(SsdProfile))];

    /// <summary>All names that can be set, such as <c>gpu.matmulTflops</c>.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Sections.SelectMany(section => section.Rates.GetProperties().Where(property => property.CanWrite)
            .Select(property => $"{section.Section}.{char.ToLowerInvariant(property.Name[0])}{property.Name[1..]}"))];

    /// <summary>A profile with some numbers changed. A profile without drives gets them once the four rates of <c>ssd</c> are set.</summary>
    /// <param name="profile">Where the other numbers come from.</param>
    /// <param name="assignments">Each <c>section.name=number</c>; of two for the same name the last one holds. An optional number is taken out by an empty right side.</param>
    /// <exception cref="UsageException">Not of that form, no such name, no number above zero, or a required number is taken out.</exception>
    public static HardwareProfile Apply(HardwareProfile profile, IEnumerable<string> assignments)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(assignments);
        JsonObject root = JsonNode.Parse(HardwareProfileFile.Format(profile))!.AsObject();
        foreach (string assignment in assignments)
        {
            Apply(root, assignment);
        }

        // The file's own reader holds all rules; it names the number that breaks one.
        return HardwareProfileFile.Parse(System.Text.Encoding.UTF8.GetBytes(root.ToJsonString()), $"hardware '{profile.Name}'");
    }

    private static void Apply(JsonObject root, string assignment)
    {
        string[] sides = assignment.Split('=');
        if (sides.Length != 2)
        {
            throw new UsageException($"hardware setting '{assignment}': expected name=number, such as gpu.memoryGiB=24", Hint);
        }

        string name = sides[0].Trim();
        string known = Names.FirstOrDefault(one => one.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"hardware setting '{assignment}': no number named '{name}': expected one of {string.Join(", ", Names)}", Hint);
        string[] path = known.Split('.');
        if (root[path[0]] is not JsonObject section)
        {
            root[path[0]] = section = [];
        }

        string text = sides[1].Trim();
        if (text.Length == 0)
        {
            section.Remove(path[1]);
            return;
        }

        if (!double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double number) || !(number > 0 && double.IsFinite(number)))
        {
            throw new UsageException($"hardware setting '{assignment}': expected a number above zero, found '{text}'", Hint);
        }

        bool isWhole = known == "cpu.cores";
        if (isWhole && (number != Math.Floor(number) || number > int.MaxValue))
        {
            throw new UsageException($"hardware setting '{assignment}': expected a whole number, found '{text}'", Hint);
        }

        section[path[1]] = isWhole ? JsonValue.Create((int)number) : JsonValue.Create(number);
    }

    private const string Hint = "names and units are in docs/hardware-profiles.md";
}
