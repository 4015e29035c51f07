using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Sockets;

/// <summary>A progress message, serialised once for all watchers of its render: with its picture, and without for whom a picture would come too soon.</summary>
sealed class Beat(LiveAdvance pictured)
{
    ReadOnlyMemory<byte> _pictured, _plain;

    public long Seq => pictured.Seq;
    public bool HasPicture => pictured.PreviewB64 is not null;

    // Two who ask at once make it twice and the same.
    public ReadOnlyMemory<byte> Bytes(bool picture) =>
        picture ? _pictured.IsEmpty ? _pictured = Json(pictured) : _pictured
        : _plain.IsEmpty ? _plain = Json(pictured with { PreviewB64 = null }) : _plain;

    public static ReadOnlyMemory<byte> Json(LiveMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, Wire.Json);
}
