//! Bodies of gRPC whose messages and bytes are counted as they pass.

use crate::metrics::{Call, Flow};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{Code, Status};

/// Bytes before each message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// A body under way.
pub(crate) struct Counted<B> {
    body: B,
    cut: Cut,
    flow: Option<Flow>,
    /// The call that ends with it.
    call: Option<Call>,
}

impl<B> Counted<B> {
    /// What a client says.
    pub(crate) fn request(body: B, call: &Call) -> Self {
        let flow = Some(call.method.received.clone());
        Self { body, cut: Cut::default(), flow, call: None }
    }

    /// What it is answered; the call ends with that.
    pub(crate) fn response(body: B, call: Option<Call>) -> Self {
        let flow = call.as_ref().map(|call| call.method.sent.clone());
        Self { body, cut: Cut::default(), flow, call }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let Self { cut, flow, call, .. } = &mut *self;
            if let (Some(bytes), Some(flow)) = (frame.data_ref(), flow) {
                let (messages, length) = cut.take(bytes);
                flow.messages.inc_by(messages);
                flow.bytes.inc_by(length);
            }
            if let (Some(trailers), Some(call)) = (frame.trailers_ref(), call) {
                let status = Status::from_header_map(trailers);
                call.end(status.map_or(Code::Ok, |status| status.code()));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Where messages end in what flows by, however it is cut into pieces.
#[derive(Default)]
struct Cut {
    /// Bytes of a head that have come.
    head: usize,
    /// The length that they tell.
    length: u32,
    /// Bytes of a message that have not come yet.
    left: usize,
}

impl Cut {
    /// How many messages begin in these bytes, and how many bytes of them are messages'.
    fn take(&mut self, mut bytes: &[u8]) -> (u64, u64) {
        let (mut messages, mut length) = (0, 0);
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let part = self.left.min(bytes.len());
                (self.left, bytes) = (self.left - part, &bytes[part..]);
                length += part as u64;
                continue;
            }
            if self.head > 0 {
                self.length = self.length << 8 | u32::from(*first);
            }
            (self.head, bytes) = (self.head + 1, rest);
            if self.head == HEAD {
                messages += 1;
                self.left = usize::try_from(self.length).unwrap_or(usize::MAX);
                (self.head, self.length) = (0, 0);
            }
        }
        (messages, length)
    }
}

#[cfg(test)]
mod tests {
    use super::Cut;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        for length in [0_u32, 3, 300, 1] {
            bytes.push(0);
            bytes.extend([
                0,
                0,
                u8::try_from(length >> 8).unwrap(),
                u8::try_from(length & 0xff).unwrap(),
            ]);
            bytes.resize(bytes.len() + usize::try_from(length).unwrap(), 0xff);
        }
        for piece in [1, 2, 4, 7, 100, 1000] {
            let mut cut = Cut::default();
            let pieces = bytes.chunks(piece).map(|piece| cut.take(piece));
            let sum = pieces.fold((0, 0), |sum, piece| (sum.0 + piece.0, sum.1 + piece.1));
            assert_eq!(sum, (4, 304), "in pieces of {piece}");
        }
    }
}
