// The measure itself: a ruler that never finds anything would make every other tidy test pass.

namespace Letterbox.Tests.Tidy;

public sealed class CSharpTextTests
{
    [Theory]
    [InlineData("a // b", "a     ")]
    [InlineData("a /* b\n*/ c", "a     \n   c")]
    [InlineData("a \"b\\\"\" c", "a       c")]
    [InlineData("a @\"b\"\"\\\" c", "a         c")]
    [InlineData("a $\"b{{ {f(\"}\")} }}\" c", "a                    c")]
    [InlineData("a $@\"b{x}\"\"\" c", "a            c")]
    [InlineData("a \"\"\"b \" }\"\"\" c", "a             c")]
    [InlineData("a '\"' '\\'' c", "a          c")]
    [InlineData("a \"\" c", "a    c")]
    [InlineData("a \"b", "a   ")]
    public void Comments_and_literals_are_blank(string source, string code) =>
        Assert.Equal(code, new CSharpText(source).Code);

    [Fact]
    public void Members_are_found_with_their_bodies()
    {
        const string source =
            """
            namespace N;

            public sealed class C(int x) : B(x) where T : class
            {
                private static readonly int[] s_data = {
                    1,
                };

                [A("]")]
                public int Property { get; } = 1;

                public int Expression =>
                    x switch { 1 => 2, _ => 3 };

                private void Method(int y = 1)
                {
                    if (y == 1) { }
                }

                public static bool operator ==(C a, C b)
                {
                    return true;
                }

                private record struct Inner(int X)
                {
                    void M() { }
                }
            }
            """;
        Assert.Equal(
            [new(10, 1), new(12, 2), new(15, 4), new(20, 4), new(27, 1)], new CSharpText(source).Members());
    }
}
