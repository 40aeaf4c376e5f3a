//! Many messages, one transaction.

use async_nats::jetstream::Message;
use prost::Message as _;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    Consumer, Delivered, Heard,
    deliver::deliver_all,
    message::{conclude, is_for_another, span},
    metrics,
    worker::Surroundings,
};
use crate::{
    error,
    fault::{self, Point},
    nats::headers::Envelope,
};

/// A message whose event can be handled with others.
struct Ready<E> {
    /// Its place in the batch.
    place: usize,
    event_id: Uuid,
    aggregate_id: String,
    heard: Heard<E>,
}

/// Handles what can be handled together, and acknowledges it. Returns the
/// messages that are left, to be handled one by one: those that are special,
/// or all of them when the batch has failed.
pub(super) async fn process_all<C: Consumer>(
    around: &Surroundings,
    consumer: &C,
    messages: Vec<Message>,
) -> Vec<Message> {
    let mut ready: Vec<Ready<C::Event>> = messages
        .iter()
        .enumerate()
        .filter_map(|(place, message)| read::<C>(place, message))
        .collect();
    if ready.len() < 2 {
        return messages;
    }
    ready.sort_by(|one, other| one.aggregate_id.cmp(&other.aggregate_id));

    let mut together = vec![None; messages.len()];
    let mut events = Vec::with_capacity(ready.len());
    for ready in ready {
        together[ready.place] = Some((ready.event_id, ready.heard.span.clone()));
        events.push((ready.event_id, ready.heard));
    }
    let outcome = {
        // Nobody ever closes the semaphore.
        let _permit = around.permits.acquire().await.ok();
        let _timer = metrics::DURATION
            .with_label_values(&[C::NAME])
            .start_timer();
        deliver_all(&around.db, consumer, events).await
    };
    let mut handled = match outcome {
        Ok(handled) => handled,
        Err(failure) => {
            tracing::info!(
                consumer = C::NAME,
                messages = messages.len(),
                error = error::chain(&failure),
                "batch not handled, now one by one"
            );
            return messages;
        }
    };
    let mut left = Vec::new();
    for (message, together) in messages.into_iter().zip(together) {
        let Some((event_id, span)) = together else {
            left.push(message);
            continue;
        };
        let delivered = if handled.remove(&event_id) {
            Delivered::Handled
        } else {
            Delivered::Duplicate
        };
        conclude::<C>(around, &message, event_id, delivered)
            .instrument(span)
            .await;
    }
    fault::passed_by(Point::BatchAfterAck, C::NAME);
    left
}

fn read<C: Consumer>(place: usize, message: &Message) -> Option<Ready<C::Event>> {
    let envelope = Envelope::read(message.headers.as_ref());
    let event_id = envelope.event_id?;
    if is_for_another::<C>(&envelope) {
        return None;
    }
    let event = C::Event::decode(message.payload.clone()).ok()?;
    let span = span::<C>(message, &envelope);
    Some(Ready {
        place,
        event_id,
        aggregate_id: envelope.aggregate_id,
        heard: Heard { event, span },
    })
}
