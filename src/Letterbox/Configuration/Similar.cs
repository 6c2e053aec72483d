// The known name that is most like a mistyped one: "did you mean LETTERBOX_MONGODB_URI?"

namespace Letterbox.Configuration;

internal static class Similar
{
    /// <summary>The name that is most similar; null: none has half of its characters in common.</summary>
    public static string? To(string typed, IEnumerable<string> known) =>
        known.MinBy(name => Difference(typed, name)) is { } nearest && Difference(typed, nearest) <= 0.5
            ? nearest
            : null;

    // The share of characters, of both names, that are not part of their longest common subsequence.
    private static double Difference(string one, string other)
    {
        int[,] common = new int[one.Length + 1, other.Length + 1];
        for (int i = 1; i <= one.Length; i++)
        {
            for (int j = 1; j <= other.Length; j++)
            {
                common[i, j] = char.ToUpperInvariant(one[i - 1]) == char.ToUpperInvariant(other[j - 1])
                    ? common[i - 1, j - 1] + 1
                    : Math.Max(common[i - 1, j], common[i, j - 1]);
            }
        }

        return 1 - 2.0 * common[one.Length, other.Length] / (one.Length + other.Length);
    }
}
