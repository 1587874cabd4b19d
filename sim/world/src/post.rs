//! The way of a message from one replica to another one.

use crate::{
    agenda::{Due, Packed},
    world::World,
};
use bytes::Bytes;
use std::iter;
use whitewater_api::NodeId;
use whitewater_physics::{Fate, Port};
use whitewater_record::{RowKind, SimTime, Stream};
use whitewater_replica::{Envelope, PeerMessage, wire};

impl World {
    /// Puts a message on its way.
    pub(crate) fn send(&mut self, envelope: Envelope) {
        self.messages += 1;
        let (message, from, to) = (self.messages, envelope.from, envelope.to);
        let (kind, [term, index, more]) = envelope.summary();
        self.note_message(kind);
        let before = self.cause;
        self.begin(RowKind::Send, from.0, &[message, to.0, kind as u64, term, index, more]);
        self.observer.on_send(&envelope);
        if !self.machines.has(to) {
            self.row(RowKind::Drop, from.0, &[message, to.0, 3]);
            self.cause = before;
            return;
        }
        let bytes = || u64::try_from(envelope.bytes()).expect("a length fits 64 bits");
        match self.network.send(self.now, Port::node(from), Port::node(to), bytes) {
            Fate::Lost => self.row(RowKind::Drop, from.0, &[message, to.0, 1]),
            Fate::Cut => {
                self.row(RowKind::Drop, from.0, &[message, to.0, 2]);
                if self.machines.is_alive(to) {
                    self.network.credit_cut(Port::node(from), Port::node(to));
                }
            }
            Fate::Once(at) => self.under_way(message, at, None, envelope),
            Fate::Twice(first, second) => self.under_way(message, first, Some(second), envelope),
        }
        self.cause = before;
    }

    /// Puts the copies of a message on their way, or those of the bytes that it has become (N5).
    fn under_way(&mut self, message: u64, first: SimTime, second: Option<SimTime>, sent: Envelope) {
        let (from, to) = (sent.from, sent.to);
        let version = self.spoken(from, to);
        let flips = self.network.flip(Port::node(from), Port::node(to));
        let is_changed = flips.is_some();
        if is_changed || version != wire::VERSION {
            let mut bytes = Vec::new();
            sent.body.encode(version, &mut bytes);
            if let Some(luck) = flips {
                flip(&mut bytes, luck);
            }
            let bytes = Bytes::from(bytes);
            let epochs = [from, to].map(|node| self.machines.get(node).epoch);
            for (at, copy) in iter::once(first).chain(second).zip(0..) {
                let bytes = bytes.clone();
                let packed = Packed { message, copy, from, to, epochs, is_changed, bytes };
                self.later(at, Due::DeliverBytes(Box::new(packed)));
            }
            return;
        }
        let again = second.map(|at| (at, sent.clone()));
        self.later(first, Due::Deliver { message, copy: 0, envelope: sent });
        if let Some((at, envelope)) = again {
            self.later(at, Due::Deliver { message, copy: 1, envelope });
        }
    }

    /// Bytes reach their node, whose codec has the word.
    pub(crate) fn on_deliver_bytes(&mut self, packed: Packed) {
        let Packed { message, copy, from, to, epochs, is_changed, bytes } = packed;
        let version = self.spoken(to, from);
        if is_changed {
            self.network.credit_flip(Port::node(from), Port::node(to));
        }
        // What the form of before lets through, for want of a checksum, is no promise of this release.
        let is_lost = epochs != [from, to].map(|node| self.machines.get(node).epoch)
            || (is_changed && version < wire::VERSION);
        if !is_lost && let Ok(body) = PeerMessage::decode(version, &bytes, self.mutations) {
            if version < wire::VERSION {
                self.observer.tally.sometimes("message between releases");
            }
            return self.on_deliver(message, copy, Envelope { from, to, body });
        }
        if is_changed && !is_lost {
            self.observer.tally.sometimes("changed message refused");
        }
        self.row(RowKind::Drop, from.0, &[message, to.0, 5]);
    }

    /// The form of messages that one node speaks with another one.
    fn spoken(&self, node: NodeId, other: NodeId) -> u16 {
        let [ours, theirs] =
            [node, other].map(|node| wire::spoken(self.machines.get(node).release));
        wire::agreed(&ours, &theirs, self.mutations)
            .expect("two releases that follow each other understand each other")
    }
}

/// Up to three bits of a message flip: as many as CRC-32C is sure to find at any length.
fn flip(bytes: &mut [u8], luck: &mut Stream) {
    let bits = 8 * u64::try_from(bytes.len()).expect("a length fits 64 bits");
    for _ in 0..luck.between(1, 3) {
        let bit = luck.below(bits);
        bytes[usize::try_from(bit / 8).expect("a place in a buffer")] ^= 1 << (bit % 8);
    }
}
