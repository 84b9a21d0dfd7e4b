using System.Globalization;
using System.Text.Json;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Cli.Commands;

/// <summary>What <c>offload inspect</c> tells of a state store.</summary>
internal static class StoreReport
{
    /// <summary>Writes it: JSON or lines for people.</summary>
    /// <param name="context">Where to.</param>
    /// <param name="folders">The store's, as they were given.</param>
    /// <param name="summary">Null: it is half made.</param>
    /// <param name="verification">Null: it was not asked for.</param>
    /// <param name="repair">Null: it was not asked for.</param>
    public static void Write(
        CommandContext context, IReadOnlyList<string> folders, StoreSummary? summary, StoreInspection.Verification? verification, StoreInspection.Repair? repair)
    {
        if (context.Json)
        {
            context.WriteJson(Report.Of(folders, summary, verification, repair));
            return;
        }

        TextWriter output = context.Output;
        if (summary is null)
        {
            output.WriteLine($"{string.Join(", ", folders)}: a state store that is half made: nothing was committed to it");
            return;
        }

        var report = Report.Of(folders, summary, verification, repair);
        output.WriteLine($"{string.Join(", ", report.Files)}: a state store of format version {report.FormatVersion}, {Sizes.Format(report.Bytes)}");
        output.WriteLine($"  id: {report.StoreId}");
        foreach (JsonProperty property in summary.Description.Owner.EnumerateObject())
        {
            output.WriteLine($"  {InspectCommand.Printable(property.Name)}: {InspectCommand.Printable(property.Value.ToString())}");
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {InspectCommand.Count(report.Units, "unit")}, {report.Parameters:N0} parameters, {InspectCommand.Count(report.Tiles, "tile")} of up to {report.TileParameters:N0}, {InspectCommand.Count(report.Generations, "generation")}"));
        foreach (Part part in report.Parts)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"  part {InspectCommand.Printable(part.Name)}: {part.Type}, in {InspectCommand.Count(part.Units, "unit")}, {Sizes.Format(part.Bytes)}{(part.IsMutable ? "" : ", never changed")}"));
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  last commit: step {report.Step:N0} (record {report.Sequence:N0})"));
        if (summary.IsInPlace)
        {
            output.WriteLine("  inside the step after it, which overwrites tiles in place: where no process is at work on the store, its states are lost");
        }

        foreach (string note in report.Notes)
        {
            output.WriteLine($"  note: {note}");
        }

        WriteFindings(output, verification, repair);
    }

    private static void WriteFindings(TextWriter output, StoreInspection.Verification? verification, StoreInspection.Repair? repair)
    {
        if (verification is not null)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  checked: {Sizes.Format(verification.BytesRead)} of step {verification.Step:N0} in {verification.Seconds:F1} s, {verification.GBps:F2} GB/s: {(verification.IsIntact ? "every byte is as it was written" : InspectCommand.Count(verification.Damage.Count, "part") + " of tiles damaged")}"));
            foreach (StoreInspection.Damage damage in verification.Damage)
            {
                output.WriteLine(
                    $"  damaged: {damage.File}: unit {InspectCommand.Printable(damage.Unit)}, tile {damage.Tile}, part {InspectCommand.Printable(damage.Part)}, {damage.SizeBytes} bytes at offset {damage.OffsetBytes}");
            }

            foreach (string note in verification.Notes)
            {
                output.WriteLine($"  note: {note}");
            }
        }

        if (repair is not null)
        {
            output.WriteLine(repair.LostStep is long lost
                ? string.Create(CultureInfo.InvariantCulture, $"  repaired: step {lost:N0} is lost, the store is back at step {repair.Step:N0}")
                : repair.HasErasedRecord ? string.Create(CultureInfo.InvariantCulture, $"  repaired: a commit record that could not be read was erased, the store goes on from step {repair.Step:N0}")
                : repair.Notes.Count > 0 ? "  repaired: damaged copies were written anew, nothing is lost" : "  repaired: nothing, for nothing is damaged");
        }
    }

    private sealed record Part(string Name, string Type, bool IsMutable, int Units, long Bytes);

    private sealed record Report(
        IReadOnlyList<string> Paths,
        string Kind,
        bool Committed,
        uint? FormatVersion,
        string? StoreId,
        JsonElement? Owner,
        IReadOnlyList<string> Files,
        long Bytes,
        int Units,
        long Parameters,
        int Tiles,
        long TileParameters,
        int Generations,
        IReadOnlyList<Part> Parts,
        long? Sequence,
        long? Step,
        bool InPlace,
        IReadOnlyList<string> Notes,
        StoreInspection.Verification? Verification,
        StoreInspection.Repair? Repair)
    {
        public static Report Of(IReadOnlyList<string> folders, StoreSummary? summary, StoreInspection.Verification? verification, StoreInspection.Repair? repair)
        {
            if (summary is null)
            {
                return new Report(folders, "store", false, null, null, null, [], 0, 0, 0, 0, 0, 0, [], null, null, false, [], null, null);
            }

            StoreDescription description = summary.Description;
            return new Report(
                folders,
                "store",
                true,
                summary.FormatVersion,
                summary.StoreId,
                description.Owner,
                summary.Files,
                summary.SizeBytes,
                description.Units.Count,
                description.Units.Sum(unit => unit.NumParameters),
                StoreGeometry.Of(description).NumTiles,
                description.TileParameters,
                description.Generations,
                [.. description.Units.SelectMany(unit => unit.Parts.Select(part => (Unit: unit, Part: part))).GroupBy(pair => pair.Part).Select(group => new Part(
                    group.Key.Name,
                    group.Key.Type.Format(),
                    group.Key.IsMutable,
                    group.Count(),
                    group.Sum(pair => (pair.Unit.NumParameters + pair.Part.ParametersPerElement - 1) / pair.Part.ParametersPerElement * pair.Part.Type.SizeBytes())))],
                summary.LastCommit.Sequence,
                summary.LastCommit.Step,
                summary.IsInPlace,
                summary.Notes,
                verification,
                repair);
        }
    }
}
