// What must hold on every MongoDB: the scripted server of the tests, a true mongod, a server that is
// compatible with it. Nothing is asserted here that only one of them does: no error texts, no counts.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public abstract class MongoContract
{
    private protected abstract MongoStore Open();

    [Fact]
    public void What_is_inserted_is_read_back_letter_by_letter()
    {
        StoredMessage[] messages =
        [
            MongoMessages.At(0),
            MongoMessages.At(1, "&=+%\"'\\ \r\n\t {\"$ne\": 1}", "$where"),
            MongoMessages.At(2, "Ще не вмерла", "Тарас"),
            MongoMessages.At(3, "a zero \0 inside, and \u0001"),
            MongoMessages.At(4, string.Concat(Enumerable.Repeat("📬", 4000)), new string('я', 64)),
        ];
        using MongoStore store = Open();
        BatchOutcome outcome = store.Insert(MongoMessages.Batch(messages));
        Assert.Null(outcome.Failure?.Reason);
        Assert.True(outcome.Stored);
        Assert.Empty(outcome.Rejected);
        Assert.Equal(messages, store.ReadAll());
    }

    [Fact]
    public void An_empty_batch_asks_whether_it_can_be_reached_and_stores_nothing()
    {
        using MongoStore store = Open();
        Assert.Null(store.Insert([]).Failure?.Reason);
        Assert.Empty(store.ReadAll());
    }

    [Fact]
    public void A_batch_sent_again_is_stored_once()
    {
        JournalEntry[] batch = MongoMessages.Batch(50);
        using MongoStore store = Open();
        for (int i = 0; i < 3; i++)
        {
            BatchOutcome outcome = store.Insert(batch);
            Assert.True(outcome.Stored, outcome.Failure?.Reason);
            Assert.Empty(outcome.Rejected);
        }

        Assert.Equal(batch.Select(static e => e.Message), store.ReadAll());
    }

    [Fact]
    public void Of_a_batch_that_is_stored_in_part_the_rest_is_stored()
    {
        JournalEntry[] batch = MongoMessages.Batch(20);
        using MongoStore store = Open();
        Assert.True(store.Insert(batch[5..9]).Stored);
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Empty(outcome.Rejected);
        Assert.Equal(batch.Select(static e => e.Message), store.ReadAll());
    }

    [Fact]
    public void The_same_message_received_at_another_time_is_stored_already_and_keeps_its_first_date()
    {
        JournalEntry[] batch = MongoMessages.Batch(3);
        StoredMessage first = batch[1].Message with { Date = MongoMessages.Date(99) };
        using MongoStore store = Open();
        Assert.True(store.Insert(MongoMessages.Batch(first)).Stored);
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Empty(outcome.Rejected);
        Assert.Equal(3, store.ReadAll().Count());
        Assert.Contains(first, store.ReadAll());
    }

    [Theory]
    [InlineData("another name")]
    [InlineData("another text")]
    public void A_different_message_under_the_same_key_is_a_conflict_and_harms_no_neighbour(string what)
    {
        JournalEntry[] batch = MongoMessages.Batch(5);
        StoredMessage taken = what switch
        {
            "another name" => batch[2].Message with { Username = "someone" },
            _ => batch[2].Message with { Text = "else" },
        };
        using MongoStore store = Open();
        Assert.True(store.Insert(MongoMessages.Batch(taken)).Stored);
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Equal(new RejectedEntry(2, RejectedEntry.Conflict), Assert.Single(outcome.Rejected));
        Assert.Equal(5, store.ReadAll().Count());
        Assert.Contains(taken, store.ReadAll());
    }

    [Fact]
    public void A_batch_of_the_greatest_count_is_stored_except_for_a_conflict_at_its_place()
    {
        JournalEntry[] batch = MongoMessages.Batch(JournalReader.PageMax);
        using MongoStore store = Open();
        Assert.True(store.Insert(MongoMessages.Batch(batch[222].Message with { Text = "taken" })).Stored);
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Equal(new RejectedEntry(222, RejectedEntry.Conflict), Assert.Single(outcome.Rejected));
        Assert.Equal(
            batch.Select(static e => $"{e.Message.Id}"),
            store.ReadAll().Select(static m => $"{m.Id}"));
    }

    [Fact]
    public void A_batch_of_the_longest_messages_is_stored()
    {
        JournalEntry[] batch = MongoMessages.LongestBatch(1 + JournalReader.PageBytesMax / 16_000);
        using MongoStore store = Open();
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Equal(batch.Select(static e => e.Message), store.ReadAll());
    }

    [Fact]
    public void The_listing_is_by_date_and_then_by_key()
    {
        StoredMessage viewedEarly = MongoMessages.At(30);
        StoredMessage[] sameTime =
        [
            .. "abc".Select(static c => MongoMessages.At(20, $"{c}")).OrderBy(static m => m.Id),
        ];
        StoredMessage first = MongoMessages.At(10);
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(sameTime[2], viewedEarly, sameTime[0], first, sameTime[1]));
        Assert.Equal([first, .. sameTime, viewedEarly], store.ReadAll());
    }

    [Fact]
    public void A_follower_is_shown_each_message_once_also_those_that_come_with_older_dates_and_keys()
    {
        StoredMessage viewedEarly = MongoMessages.At(50, "viewed early, sent late");
        StoredMessage hourBack = MongoMessages.At(-3000, "the clocks went back");
        StoredMessage[] first = [MongoMessages.At(0), MongoMessages.At(1)];
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(first));
        Assert.Equal(first, store.ReadAll());
        Assert.Empty(store.ReadNew());
        store.Insert(MongoMessages.Batch(viewedEarly, hourBack));
        Assert.Equal([hourBack, viewedEarly], store.ReadNew());
        Assert.Empty(store.ReadNew());
    }

    [Fact]
    public void A_follower_who_starts_before_the_first_message_is_shown_it()
    {
        using MongoStore store = Open();
        Assert.Empty(store.ReadNew());
        JournalEntry[] batch = MongoMessages.Batch(3);
        store.Insert(batch);
        Assert.Equal(batch.Select(static e => e.Message), store.ReadNew());
        Assert.Empty(store.ReadNew());
    }

    [Fact]
    public void A_listing_that_is_left_in_the_middle_harms_nothing()
    {
        using MongoStore store = Open();
        JournalEntry[] batch = MongoMessages.Batch(500);
        store.Insert(batch);
        Assert.Equal(batch[..120].Select(static e => e.Message), store.ReadAll().Take(120));
        Assert.Equal(500, store.ReadAll().Count());
    }
}
