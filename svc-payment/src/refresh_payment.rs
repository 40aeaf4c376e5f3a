//! Asks a payment's provider what has become of it and of its refunds, wherever
//! we believe that they stand. The answers go the way of all answers: money that
//! moved counts, and what nobody wants goes back.

use crate::{
    app::App,
    charge_payment,
    error::Error,
    get_payment::MAX_REFUNDS,
    look_up_payment::look_up_payment,
    payment::{OrderId, Payment, PaymentId, Status},
    provider::{FoundCharge, FoundRefund, Watched},
    refund::Refund,
    refund_payment,
    store::{payments, refunds},
};

/// Asks about the payment of an order and about each of its refunds, and gives
/// back how they stand then. What nobody was asked for yet stays as it is.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::ProviderUnavailable`] when not all of it could
/// be found out. What was found out counts.
pub async fn refresh_payment(
    app: &App,
    order_id: OrderId,
) -> Result<(Payment, Vec<Refund>), Error> {
    let db = app.db.writer();
    let payment = look_up_payment(app, order_id).await?;
    let filed = payments::filed(db, payment.id).await?;
    if let Some(provider) = filed.and_then(|filed| filed.provider) {
        let Some(watched) = app.providers.get(provider) else {
            return Err(Error::ProviderUnavailable);
        };
        let mut known = refresh_charge(app, watched, order_id, payment.id).await?;
        for refund in refunds::of_payment(db, payment.id, MAX_REFUNDS).await? {
            if refund.attempts > 0 {
                known &= refresh_refund(app, watched, &refund).await?;
            }
        }
        if !known {
            return Err(Error::ProviderUnavailable);
        }
    }
    let payment = look_up_payment(app, order_id).await?;
    let refunds = refunds::of_payment(db, payment.id, MAX_REFUNDS).await?;
    tracing::info!(payment_id = %payment.id, status = payment.status.as_str(), "payment refreshed");
    Ok((payment, refunds))
}

/// Asks about a charge and records the answer; false if it is not known.
///
/// # Errors
/// When the database does not answer.
pub async fn refresh_charge(
    app: &App,
    watched: &Watched,
    order_id: OrderId,
    id: PaymentId,
) -> Result<bool, Error> {
    let found = watched
        .answer("look_up", watched.provider().look_up(id))
        .await;
    let status = charge_payment::learn(app, order_id, found).await?;
    match (found, status) {
        (FoundCharge::Unknown, _) => Ok(false),
        // It was given up before it arrived: nobody wants what is held.
        (FoundCharge::Authorized, Status::Failed | Status::Cancelled) => {
            let voided = watched.answer("void", watched.provider().void(id)).await;
            charge_payment::learn(app, order_id, voided).await?;
            Ok(voided != FoundCharge::Unknown)
        }
        _ => Ok(true),
    }
}

/// Asks about a refund, read as `seen`, and records the answer; false if it is
/// not known.
///
/// # Errors
/// When the database does not answer.
pub async fn refresh_refund(app: &App, watched: &Watched, seen: &Refund) -> Result<bool, Error> {
    let found = watched
        .answer("look_up_refund", watched.provider().look_up_refund(seen.id))
        .await;
    let provider = watched.provider().name();
    refund_payment::learn(app, provider, seen, found).await?;
    Ok(found != FoundRefund::Unknown)
}
