// The bound on what all clients together make the process hold.

using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class MemoryBudgetTests
{
    private readonly MemoryBudget _budget = new(100);
    private readonly List<string> _ended = [];

    [Fact]
    public void Up_to_the_bound_nobody_ends()
    {
        Hold("a").Set(50);
        Hold("b").Set(50);
        Assert.Empty(_ended);
        Assert.Equal(100, _budget.Bytes);
    }

    [Fact]
    public void Beyond_it_those_end_that_have_been_waited_for_longest()
    {
        Hold("a").Set(50);
        Hold("b").Set(20);
        Hold("c").Set(30);
        Hold("d").Set(60);
        Assert.Equal(["a", "b"], _ended);
        Assert.Equal(90, _budget.Bytes);
    }

    [Fact]
    public void To_hold_more_is_no_new_wait()
    {
        MemoryBudget.Hold first = Hold("a");
        first.Set(10);
        Hold("b").Set(60);
        first.Set(50);
        Assert.Equal(["a"], _ended);
        Assert.Equal(60, _budget.Bytes);
    }

    [Fact]
    public void A_client_that_went_on_waits_anew()
    {
        MemoryBudget.Hold first = Hold("a");
        first.Set(10);
        Hold("b").Set(60);
        first.Set(0);
        first.Set(50);
        Assert.Equal(["b"], _ended);
        Assert.Equal(50, _budget.Bytes);
    }

    [Fact]
    public void One_that_could_not_be_ended_counts_again()
    {
        MemoryBudget.Hold first = Hold("a");
        first.Set(60);
        Hold("b").Set(60);
        first.Set(40);
        Assert.Equal(["a"], _ended);
        Assert.Equal(100, _budget.Bytes);
    }

    private MemoryBudget.Hold Hold(string name) => new(_budget, () => _ended.Add(name));
}
