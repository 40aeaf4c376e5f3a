//! One message from JetStream: handled, and then acknowledged, delivered again
//! later, or put to the dead letters. It is acknowledged only after one of the
//! transaction's commit and the dead letter's acknowledgement.

use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use prost::Message as _;
use proto::events::Event as _;
use tracing::{Instrument as _, Span, field::Empty};
use uuid::Uuid;

use super::{
    ConsumeError, Consumer, Delivered,
    deliver::deliver,
    failure::{Verdict, judge},
    metrics,
    worker::Surroundings,
};
use crate::{
    dead_letter::{self, Given},
    fault::{self, Point},
    inbox,
    nats::headers::Envelope,
    telemetry,
};

/// How the loop goes on after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// With the next one.
    Next,
    /// The next ones of this aggregate have to wait behind this one.
    HoldBack(Duration),
    /// Nothing can be handled for a while.
    Pause(Duration),
}

/// Handles a message.
pub(super) async fn process<C: Consumer>(
    around: &Surroundings,
    consumer: &C,
    message: &Message,
) -> After {
    let envelope = Envelope::read(message.headers.as_ref());
    let span = span::<C>(message, &envelope);
    handle(around, consumer, message, &envelope)
        .instrument(span)
        .await
}

/// To what the handling of a message belongs.
pub(super) fn span<C: Consumer>(message: &Message, envelope: &Envelope) -> Span {
    let span = tracing::info_span!(
        "consume",
        otel.name = C::NAME,
        otel.kind = "consumer",
        consumer = C::NAME,
        subject = %message.subject,
        event_id = Empty,
        aggregate_id = envelope.aggregate_id,
        trace_id = Empty,
    );
    telemetry::continue_trace(&span, envelope.trace_parent.as_deref());
    if let Some(id) = envelope.event_id {
        span.record("event_id", tracing::field::display(id));
    }
    span
}

/// An event was published again for one consumer, and this is not it.
pub(super) fn is_for_another<C: Consumer>(envelope: &Envelope) -> bool {
    envelope
        .replay_for
        .as_deref()
        .is_some_and(|meant| meant != C::NAME)
}

async fn handle<C: Consumer>(
    around: &Surroundings,
    consumer: &C,
    message: &Message,
    envelope: &Envelope,
) -> After {
    if is_for_another::<C>(envelope) {
        count::<C>("other");
        acknowledge(message).await;
        return After::Next;
    }
    let Some(event_id) = envelope.event_id else {
        return bury::<C>(around, message, None, "no event id", 1).await;
    };
    let outcome = match C::Event::decode(message.payload.clone()) {
        Ok(event) => {
            // Nobody ever closes the semaphore.
            let _permit = around.permits.acquire().await.ok();
            let timer = metrics::DURATION
                .with_label_values(&[C::NAME])
                .start_timer();
            let outcome = deliver(&around.db, consumer, event_id, event).await;
            timer.observe_duration();
            outcome
        }
        Err(error) => Err(ConsumeError::reject(format!(
            "payload is no {}: {error}",
            C::Event::TYPE
        ))),
    };
    let deliveries = deliveries(message);
    match outcome {
        Ok(delivered) => {
            conclude::<C>(around, message, event_id, delivered).await;
            After::Next
        }
        Err(failure) => match judge(&around.db, C::NAME, event_id, deliveries, failure).await {
            Verdict::Later {
                pause,
                why,
                unavailable,
            } => {
                tracing::warn!(
                    why,
                    deliveries,
                    pause_ms = pause.as_millis(),
                    "not handled, again later"
                );
                count::<C>("retried");
                put_back(message, pause).await;
                if unavailable {
                    After::Pause(pause)
                } else {
                    After::HoldBack(pause)
                }
            }
            Verdict::Dead { reason, attempts } => {
                bury::<C>(around, message, Some(event_id), &reason, attempts).await
            }
        },
    }
}

/// Acknowledges a message whose event is handled.
pub(super) async fn conclude<C: Consumer>(
    around: &Surroundings,
    message: &Message,
    event_id: Uuid,
    delivered: Delivered,
) {
    if deliveries(message) > 1 {
        forget_failures::<C>(around, event_id).await;
    }
    match delivered {
        Delivered::Handled => {
            tracing::info!("handled");
            count::<C>("handled");
        }
        Delivered::Duplicate => {
            tracing::debug!("handled before");
            count::<C>("duplicate");
        }
    }
    if deliveries(message) == 1 && fault::redelivers() {
        put_back(message, Duration::ZERO).await;
    } else {
        acknowledge(message).await;
    }
    fault::passed_by(Point::ConsumerAfterAck, C::NAME);
}

/// Puts a message to the dead letters. While that is impossible it stays where
/// it is, and comes again.
async fn bury<C: Consumer>(
    around: &Surroundings,
    message: &Message,
    event_id: Option<Uuid>,
    reason: &str,
    attempts: u32,
) -> After {
    let given = Given {
        consumer: C::NAME,
        reason,
        attempts,
        subject: &message.subject,
        delivery: &place(message),
        headers: message.headers.as_ref(),
        payload: message.payload.clone(),
    };
    if let Err(error) = dead_letter::put(&around.nats, given).await {
        tracing::warn!(
            error = format!("{error:#}"),
            reason,
            "not put to the dead letters, again later"
        );
        return After::Next;
    }
    tracing::error!(reason, attempts, "put to the dead letters");
    count::<C>("dead");
    if let Err(error) = message.double_ack().await {
        // It comes again and is put to the dead letters again, which
        // JetStream recognizes.
        tracing::warn!(%error, "dead letter not acknowledged");
    }
    if let Some(id) = event_id {
        forget_failures::<C>(around, id).await;
    }
    After::Next
}

/// Has a message delivered again after a pause.
pub(super) async fn put_back(message: &Message, pause: Duration) {
    // When NATS does not hear this, the message comes again by itself.
    if let Err(error) = message.ack_with(AckKind::Nak(Some(pause))).await {
        tracing::debug!(%error, "not put back");
    }
}

async fn acknowledge(message: &Message) {
    // When NATS does not hear this, the message comes again, and the inbox
    // knows it.
    if let Err(error) = message.ack().await {
        tracing::debug!(%error, "not acknowledged");
    }
}

async fn forget_failures<C: Consumer>(around: &Surroundings, event_id: Uuid) {
    if let Err(error) = inbox::forget_failures(&around.db, C::NAME, event_id).await {
        // They are pruned with the inbox.
        tracing::debug!(%error, "attempts not forgotten");
    }
}

fn count<C: Consumer>(outcome: &str) {
    metrics::EVENTS.with_label_values(&[C::NAME, outcome]).inc();
}

/// How often JetStream has delivered the message.
fn deliveries(message: &Message) -> u32 {
    message
        .info()
        .map_or(1, |info| u32::try_from(info.delivered).unwrap_or(u32::MAX))
}

/// Tells this message from every other, a replay of the same event included.
fn place(message: &Message) -> String {
    message.info().map_or_else(
        |_| message.subject.to_string(),
        |info| format!("{}:{}", info.stream, info.stream_sequence),
    )
}
