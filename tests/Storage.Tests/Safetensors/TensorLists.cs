using FsCheck;
using FsCheck.Fluent;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

/// <summary>Random lists of tensors with distinct names of any text, all types, scalars and empty tensors among them.</summary>
public static class TensorLists
{
    public static Arbitrary<TensorSpec[]> Lists()
    {
        Gen<string> names = Gen.OneOf(
            ArbMap.Default.GeneratorFor<UnicodeString>().Where(text => text.Get is not null).Select(text => text.Get),
            ArbMap.Default.GeneratorFor<NonNull<string>>().Where(text => text.Get.All(character => !char.IsSurrogate(character))).Select(text => text.Get),
            Gen.Choose(0, 99).Select(index => $"model.layers.{index}.mlp.weight"),
            Gen.Elements("\"", "\\", "\n", "\0", "\u2028", "a/b", "\ud83d\ude00", ""));
        Gen<long[]> shapes = Gen.Choose(0, 4).SelectMany(rank => Gen.ArrayOf(Gen.Elements(0L, 1, 2, 3, 7), rank));
        Gen<TensorSpec> tensors =
            from name in names.Where(IsUsable)
            from type in Gen.Elements(Enum.GetValues<ElementType>())
            from shape in shapes
            select new TensorSpec(name, type, shape);
        return Gen.ArrayOf(tensors).Select(list => list.DistinctBy(tensor => tensor.Name).ToArray()).ToArbitrary();
    }

    /// <summary>The data that tests give a tensor: determined by its place in the list.</summary>
    internal static byte[] Data(TensorSpec tensor, int index)
    {
        byte[] data = new byte[tensor.SizeBytes];
        new Random(index).NextBytes(data);
        return data;
    }

    private static bool IsUsable(string name)
    {
        try
        {
            _ = new TensorSpec(name, ElementType.U8);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
