namespace FlatRender.EventStore;

/// <summary>The committed memories of the streams last worked on, so that the usual step reads nothing. A stale one is harmless: the append checks the version.</summary>
public sealed class Recollection(EventStoreOptions options)
{
    readonly Lock _lock = new();
    readonly Dictionary<Guid, LinkedListNode<(Guid Id, Remembered Memory)>> _nodes = [];
    readonly LinkedList<(Guid Id, Remembered Memory)> _newestFirst = [];

    internal Remembered? Find(Guid id)
    {
        lock (_lock)
        {
            if (!_nodes.TryGetValue(id, out var node)) return null;
            _newestFirst.Remove(node);
            _newestFirst.AddFirst(node);
            return node.Value.Memory;
        }
    }

    internal void Keep(Guid id, Remembered memory)
    {
        lock (_lock)
        {
            if (_nodes.TryGetValue(id, out var node))
            {
                // Two steps of one stream may finish in either order.
                if (node.Value.Memory.Version >= memory.Version) return;
                _newestFirst.Remove(node);
            }
            _nodes[id] = _newestFirst.AddFirst((id, memory));
            if (_nodes.Count <= options.Remembered) return;
            _nodes.Remove(_newestFirst.Last!.Value.Id);
            _newestFirst.RemoveLast();
        }
    }

    /// <summary>The next step reads again.</summary>
    public void Forget(Guid id)
    {
        lock (_lock)
            if (_nodes.Remove(id, out var node)) _newestFirst.Remove(node);
    }
}
