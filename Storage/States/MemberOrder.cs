namespace Offload.Storage.States;

/// <summary>Whether files are the members of one store, by their labels, and in which order.</summary>
internal static class MemberOrder
{
    /// <summary>A file that says whose it is.</summary>
    /// <param name="Path">For messages.</param>
    /// <param name="Label">Of a file as long as it says.</param>
    public readonly record struct Labelled(string Path, StoreLabel Label);

    /// <summary>The places of the files in the order of their members.</summary>
    /// <param name="files">At least one.</param>
    /// <exception cref="StoreMismatchException">They are not all files of one store, each once, or their sizes do not go together.</exception>
    public static int[] Of(IReadOnlyList<Labelled> files)
    {
        Labelled first = files[0];
        foreach (Labelled file in files)
        {
            if (file.Label.StoreId != first.Label.StoreId || !file.Label.StripeBytes.SequenceEqual(first.Label.StripeBytes))
            {
                throw new StoreMismatchException(file.Path, $"the file belongs to another store than {first.Path}", "Name the folders that the store was made with.");
            }
        }

        int numMembers = first.Label.StripeBytes.Count;
        int[] order = new int[numMembers];
        Array.Fill(order, -1);
        for (int index = 0; index < files.Count; index++)
        {
            ref int place = ref order[files[index].Label.Member];
            place = place < 0
                ? index
                : throw new StoreMismatchException(files[index].Path, $"the file is a copy of {files[place].Path}", "Name each folder of the store once, and leave out copies.");
        }

        int missing = Array.IndexOf(order, -1);
        if (missing >= 0)
        {
            throw new StoreMismatchException(
                first.Path, $"the store has {numMembers} files, {files.Count} were given; file {missing + 1} is missing", "Name all folders that the store was made with.");
        }

        CheckSizes(files, order);
        return order;
    }

    /// <summary>Every member of several has the same number of whole stripes.</summary>
    private static void CheckSizes(IReadOnlyList<Labelled> files, int[] order)
    {
        if (order.Length == 1)
        {
            return;
        }

        long numRounds = files[order[0]].Label.NumRounds ?? 0;
        foreach (int index in order)
        {
            if (numRounds <= 0 || files[index].Label.NumRounds != numRounds)
            {
                StoreLabel label = files[index].Label;
                throw new StoreMismatchException(
                    files[index].Path,
                    $"its label is not one that this version writes: a file of {label.FileBytes} bytes in stripes of {label.StripeBytes[label.Member]}, the store's first file has {numRounds} of them");
            }
        }
    }
}
