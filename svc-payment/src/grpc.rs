//! The methods: decode, call the use case, encode.

mod convert;

use proto::souk::payment::v1::{self as pb, payment_service_server::PaymentService};
use svc_kit::{caller::Caller, id, page};
use tonic::{Request, Response, Status};
use tracing::{Span, field::Empty};

use crate::{
    app::App, get_ledger::get_ledger, get_payment::get_payment, list_refunds::list_refunds,
    look_up_payment::look_up_payment, payment::OrderId, refund_payment::refund_payment,
    retry_refund::retry_refund,
};

/// The methods of `souk.payment.v1.PaymentService`.
#[derive(Debug, Clone)]
pub struct Grpc {
    app: App,
}

impl Grpc {
    /// The methods over this service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

/// Reads an order's id, and names it in the log once it is one.
fn order_id(text: &str) -> Result<OrderId, Status> {
    let order_id = id::parse("order_id", text)?;
    Span::current().record("order_id", tracing::field::display(order_id));
    Ok(order_id)
}

#[tonic::async_trait]
impl PaymentService for Grpc {
    #[tracing::instrument(name = "payment.get_payment", skip_all, fields(order_id = Empty))]
    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::Payment>, Status> {
        let caller = Caller::of(&request)?;
        let order_id = order_id(&request.get_ref().order_id)?;
        let (payment, refunds) = get_payment(&self.app, &caller, order_id).await?;
        let encode = if caller.is_staff() {
            convert::for_staff
        } else {
            convert::for_customers
        };
        Ok(Response::new(pb::Payment {
            refunds: refunds.into_iter().map(encode).collect(),
            ..payment.into()
        }))
    }

    #[tracing::instrument(name = "payment.get_ledger", skip_all, fields(order_id = Empty))]
    async fn get_ledger(
        &self,
        request: Request<pb::GetLedgerRequest>,
    ) -> Result<Response<pb::Ledger>, Status> {
        let order_id = match request.get_ref().order_id.as_str() {
            "" => None,
            text => Some(order_id(text)?),
        };
        let balances = get_ledger(&self.app, order_id).await?;
        let balances = balances
            .into_iter()
            .map(pb::LedgerBalance::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Response::new(pb::Ledger { balances }))
    }

    #[tracing::instrument(name = "payment.refund_payment", skip_all, fields(order_id = Empty))]
    async fn refund_payment(
        &self,
        request: Request<pb::RefundPaymentRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let caller = Caller::of(&request)?;
        order_id(&request.get_ref().order_id)?;
        let command = convert::refund_payment(&caller, request.get_ref())?;
        let refund = refund_payment(&self.app, command).await?;
        Ok(Response::new(convert::for_staff(refund)))
    }

    #[tracing::instrument(name = "payment.list_refunds", skip_all)]
    async fn list_refunds(
        &self,
        request: Request<pb::ListRefundsRequest>,
    ) -> Result<Response<pb::ListRefundsResponse>, Status> {
        let query = convert::list_refunds(request.get_ref())?;
        let (refunds, next) = list_refunds(&self.app, query).await?;
        Ok(Response::new(pb::ListRefundsResponse {
            refunds: refunds.into_iter().map(convert::for_staff).collect(),
            next_page_token: next.map(|last| page::encode(&last)).unwrap_or_default(),
        }))
    }

    #[tracing::instrument(name = "payment.retry_refund", skip_all)]
    async fn retry_refund(
        &self,
        request: Request<pb::RetryRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let refund_id = id::parse("id", &request.get_ref().id)?;
        let refund = retry_refund(&self.app, refund_id).await?;
        Ok(Response::new(convert::for_staff(refund)))
    }

    #[tracing::instrument(name = "payment.look_up_payment", skip_all, fields(order_id = Empty))]
    async fn look_up_payment(
        &self,
        request: Request<pb::LookUpPaymentRequest>,
    ) -> Result<Response<pb::Payment>, Status> {
        let order_id = order_id(&request.get_ref().order_id)?;
        let payment = look_up_payment(&self.app, order_id).await?;
        Ok(Response::new(payment.into()))
    }
}
