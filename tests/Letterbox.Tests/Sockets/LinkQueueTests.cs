// What the link owes, without a network: order, matching, resending, deadlines.

using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Sockets;

public sealed class LinkQueueTests
{
    private static readonly LinkLimits s_limits = new() { QueueMax = 100 };
    private readonly ManualTime _time = new();
    private readonly LinkQueue _queue;

    public LinkQueueTests() => _queue = new LinkQueue(s_limits, stores: 1, _time);

    [Fact]
    public void Answers_go_to_the_messages_in_order_however_they_are_cut()
    {
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes("NO a\nWAIT b\nNO c\n")))
        {
            var queue = new LinkQueue(s_limits, stores: 1, _time);
            queue.Connect();
            Delivery[] deliveries = [Add(queue, "1"), Add(queue, "2"), Add(queue, "3")];
            Assert.Equal(["1", "2", "3"], Take(queue));
            Receipt[] expected = [Receipt.Rejected("a"), Receipt.Later("b"), Receipt.Rejected("c")];
            Assert.Equal(deliveries.Zip(expected), Answer(queue, cut));
            Assert.Equal(0, queue.Count);
        }
    }

    [Fact]
    public void After_a_break_what_has_no_answer_is_sent_again_before_what_was_never_sent()
    {
        _queue.Connect();
        Delivery first = Add(_queue, "1");
        Add(_queue, "2");
        Add(_queue, "3");
        Assert.Equal(["1", "2", "3"], Take(_queue));
        Assert.Equal([(first, Receipt.Rejected("x"))], Answer(_queue, [Cuts.Bytes("NO x\n")]));
        Add(_queue, "4");
        Assert.True(_queue.Break());
        Assert.False(_queue.Break());
        Assert.False(_queue.Take([], 1_000_000));
        Add(_queue, "5");
        _queue.Connect();
        Assert.Equal(["2", "3", "4", "5"], Take(_queue));
    }

    [Fact]
    public void Answers_that_come_after_the_break_are_nobodys()
    {
        _queue.Connect();
        Add(_queue, "1");
        Take(_queue);
        _queue.Break();
        Assert.Empty(Answer(_queue, [Cuts.Bytes("NO x\n")]));
        Assert.Equal(1, _queue.Count);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK", "the store sent an invalid answer")]
    [InlineData("OK 635d8f3a1c2b3a4d5e6f7081", "the store answered for another message")]
    public void A_line_that_answers_nothing_is_a_fault_and_takes_nothing_out(string line, string failure)
    {
        _queue.Connect();
        Add(_queue, "1");
        Take(_queue);
        Assert.Equal(failure, _queue.TakeAnswers(Cuts.Bytes(line + "\n"), [], out _).Failure);
        Assert.Equal(1, _queue.Count);
    }

    [Fact]
    public void An_answer_to_nothing_is_a_fault()
    {
        _queue.Connect();
        string? failure =
            _queue.TakeAnswers(Cuts.Bytes("WAIT too many connections\n"), [], out _).Failure;
        Assert.Equal("the store sent an answer without a message: too many connections", failure);
    }

    [Fact]
    public void Each_message_is_late_at_its_own_time_and_a_late_one_that_was_sent_breaks_the_link()
    {
        _queue.Connect();
        Delivery first = Add(_queue, "1");
        _time.Advance(TimeSpan.FromSeconds(4));
        Delivery second = Add(_queue, "2");
        Take(_queue);
        var late = new List<Delivery>();
        _time.Advance(TimeSpan.FromSeconds(6) - TimeSpan.FromTicks(1));
        Assert.False(_queue.Expire(late));
        Assert.Empty(late);

        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(_queue.Expire(late));
        Assert.Equal([first], late);
        Assert.False(_queue.Break());

        _time.Advance(TimeSpan.FromSeconds(4));
        late.Clear();
        Assert.False(_queue.Expire(late));
        Assert.Equal([second], late);
    }

    [Fact]
    public void One_message_too_many_is_refused_and_so_is_one_after_the_end()
    {
        for (int i = 0; i < 100; i++) Add(_queue, "x");
        Assert.False(_queue.Add(new Delivery(Texts.Message("a", "b"), 0), out _).Succeeded);
        Assert.Equal(100, _queue.Clear().Count);
        _queue.Close();
        Assert.False(_queue.Add(new Delivery(Texts.Message("a", "b"), 0), out _).Succeeded);
    }

    [Fact]
    public void A_message_that_has_to_wait_goes_once_round_all_stores()
    {
        var queue = new LinkQueue(s_limits, stores: 3, _time);
        Delivery first = Add(queue, "1");
        Add(queue, "2");
        for (int store = 1; store <= 2; store++)
        {
            queue.Connect();
            Assert.Equal(["1", "2"], Take(queue));
            var none = new List<(Delivery, Receipt)>();
            string? failure = queue.TakeAnswers(Cuts.Bytes("WAIT x\nWAIT x\n"), none, out _).Failure;
            Assert.Equal("the store takes no messages: x", failure);
            Assert.Empty(none);
            queue.Break();
        }

        queue.Connect();
        Assert.Equal(["1", "2"], Take(queue));
        Assert.Equal([(first, Receipt.Later("x"))], Answer(queue, [Cuts.Bytes("WAIT x\n")]));
        _time.Advance(s_limits.RoundEvery);
        Assert.False(queue.TakeAnswers(Cuts.Bytes("WAIT x\n"), [], out _).Succeeded);
    }

    [Fact]
    public async Task Whether_a_message_is_stored_is_unknown_only_where_an_answer_was_lost()
    {
        Delivery first = Add(_queue, "1"), second = Add(_queue, "2"), third = Add(_queue, "3");
        first.Fail("never sent");
        Assert.Equal(Receipt.Later("never sent"), await first.Task);
        _queue.Connect();
        Take(_queue);
        second.Fail("in flight");
        Assert.Equal(Receipt.Unknown("in flight"), await second.Task);
        _queue.Break();
        third.Fail("the connection broke");
        Assert.Equal(Receipt.Unknown("the connection broke"), await third.Task);
        // WAIT answers the second attempt, and the first may have succeeded.
        _queue.Connect();
        Take(_queue);
        Assert.All(
            Answer(_queue, [Cuts.Bytes("WAIT x\nWAIT x\nWAIT x\n")]),
            static answer => Assert.Equal(Receipt.Unknown("x"), answer.Item2));
    }

    [Fact]
    public void A_wait_from_every_store_is_certain()
    {
        var queue = new LinkQueue(s_limits, stores: 2, _time);
        Delivery first = Add(queue, "1"), second = Add(queue, "2");
        queue.Connect();
        Take(queue);
        Assert.False(queue.TakeAnswers(Cuts.Bytes("WAIT x\n"), [], out _).Succeeded);
        queue.Break();
        queue.Connect();
        Take(queue);
        Assert.Equal(
            [(first, Receipt.Later("x")), (second, Receipt.Unknown("x"))],
            Answer(queue, [Cuts.Bytes("WAIT x\nWAIT x\n")]));
    }

    [Fact]
    public void A_store_that_hangs_is_left_when_there_is_another()
    {
        var queue = new LinkQueue(s_limits, stores: 2, _time);
        Add(queue, "1");
        _time.Advance(s_limits.FailoverTimeout);
        queue.Connect();
        Take(queue);
        _time.Advance(s_limits.FailoverTimeout - TimeSpan.FromTicks(1));
        var late = new List<Delivery>();
        Assert.False(queue.Expire(late));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(queue.Expire(late));
        Assert.Empty(late);
        Assert.False(queue.Break());
        queue.Connect();
        Assert.Equal(["1"], Take(queue));
    }

    [Fact]
    public void A_send_takes_no_more_than_fits_and_loses_nothing()
    {
        _queue.Connect();
        var sizes = new List<int>();
        for (int i = 0; i < 100; i++) Add(_queue, new string('x', 4000));
        var batch = new List<Message>();
        while (_queue.Take(batch, 256 * 1024) && batch.Count > 0) sizes.Add(batch.Count);
        Assert.Equal(100, sizes.Sum());
        Assert.All(sizes, size => Assert.InRange(size, 1, 256 * 1024 / 12_000));
    }

    private Delivery Add(LinkQueue queue, string text)
    {
        var delivery = new Delivery(Texts.Message("a", text), _time.GetTimestamp());
        Assert.True(queue.Add(delivery, out _).Succeeded);
        return delivery;
    }

    private static IEnumerable<string> Take(LinkQueue queue)
    {
        var batch = new List<Message>();
        Assert.True(queue.Take(batch, 1_000_000));
        return batch.Select(m => m.Text);
    }

    private static List<(Delivery, Receipt)> Answer(LinkQueue queue, byte[][] pieces)
    {
        var all = new List<(Delivery, Receipt)>();
        var answered = new List<(Delivery, Receipt)>();
        byte[] held = [];
        foreach (byte[] piece in pieces)
        {
            held = [.. held, .. piece];
            Assert.Equal(Result.Success, queue.TakeAnswers(held, answered, out int consumed));
            held = held[consumed..];
            all.AddRange(answered);
        }

        return all;
    }
}
