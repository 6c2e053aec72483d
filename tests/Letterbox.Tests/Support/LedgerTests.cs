// The books of a proof must themselves show what they are there to show.

using Letterbox.Messages;

namespace Letterbox.Tests.Support;

public sealed class LedgerTests
{
    private readonly Ledger _ledger = new();
    private readonly Message _one, _two;

    public LedgerTests()
    {
        var random = new Random(1);
        (_one, _two) = (_ledger.Next(random), _ledger.Next(random));
        _ledger.Thank(_one);
    }

    [Fact]
    public void Whether_a_message_without_thanks_is_stored_does_not_matter()
    {
        Assert.Equal(Verdict.Kept, _ledger.Audit([Row(_one)]));
        Assert.Equal(Verdict.Kept, _ledger.Audit([Row(_two), Row(_one)]));
    }

    [Fact]
    public void A_thanked_message_that_is_not_there_is_lost() =>
        Assert.Equal(new Verdict(Lost: 1, Doubled: 0, Altered: 0), _ledger.Audit([Row(_two)]));

    [Fact]
    public void A_number_that_is_there_twice_is_doubled_though_its_key_is_another() =>
        Assert.Equal(
            new Verdict(Lost: 0, Doubled: 1, Altered: 1),
            _ledger.Audit([Row(_one), (MessageKey.New(TimeProvider.System).ToString(), _one.Text)]));

    [Fact]
    public void A_text_that_was_cut_and_one_that_nobody_sent_are_altered() =>
        Assert.Equal(
            new Verdict(Lost: 0, Doubled: 0, Altered: 2),
            _ledger.Audit([(_one.Id.ToString(), _one.Text[..^1]), ("635d8a1a9c3e5f0011223344", "3 x")]));

    private static (string, string) Row(Message message) => (message.Id.ToString(), message.Text);
}
