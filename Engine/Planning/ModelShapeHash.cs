using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Offload.Engine.Models;

namespace Offload.Engine.Planning;

/// <summary>Tells models apart by what a plan depends on: their units and the names and shapes of their tensors. Stateless: any thread.</summary>
internal static class ModelShapeHash
{
    /// <summary>XxHash3-128 over them, in hexadecimal digits.</summary>
    public static string Of(ModelLayout layout)
    {
        var text = new StringBuilder();
        foreach (UnitLayout unit in layout.Units)
        {
            text.Append(CultureInfo.InvariantCulture, $"{unit.Name}\n");
            foreach (ParameterInfo parameter in unit.Parameters)
            {
                text.Append(CultureInfo.InvariantCulture, $" {parameter.Name} {string.Join('x', parameter.Shape)}\n");
            }
        }

        return Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
