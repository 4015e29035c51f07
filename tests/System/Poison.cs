using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using RabbitMQ.Client;

namespace FlatRender.SystemTests;

/// <summary>A message that no process can take in: news of a render that never was.</summary>
static class Poison
{
    /// <returns>The render that it speaks of.</returns>
    public static async Task<JobId> SendAsync(string broker)
    {
        var news = new FramesRendered(new JobId(Ids.New()), 1, 0);
        var id = Ids.New();
        await using var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        var body = JsonSerializer.Serialize(new { message_id = id, message_type = (string[])["urn:message:FlatRender.Contracts:FramesRendered"], message = news }, Wire.Json);
        await channel.BasicPublishAsync("FlatRender.Contracts:FramesRendered", "", mandatory: true,
            new BasicProperties { ContentType = "application/vnd.masstransit+json", MessageId = $"{id}", Persistent = true }, Encoding.UTF8.GetBytes(body));
        return news.JobId;
    }
}
