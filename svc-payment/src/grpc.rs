//! The methods: decode, call the use case, encode.

mod convert;

use proto::souk::payment::v1::{self as pb, payment_service_server::PaymentService};
use svc_kit::{caller::Caller, id, page};
use tonic::{Request, Response, Status};
use tracing::{Span, field::Empty};

use crate::{
    app::App, get_ledger::get_ledger, get_payment::get_payment,
    get_reconciliation::get_reconciliation, list_discrepancies::list_discrepancies,
    list_refunds::list_refunds, look_up_payment::look_up_payment, payment::OrderId, reason::Reason,
    reconcile::reconcile, reconciliation::Resolution, refresh_payment::refresh_payment,
    refund_payment::refund_payment, resolve_discrepancy::resolve_discrepancy,
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

    #[tracing::instrument(name = "payment.refresh_payment", skip_all, fields(order_id = Empty))]
    async fn refresh_payment(
        &self,
        request: Request<pb::RefreshPaymentRequest>,
    ) -> Result<Response<pb::Payment>, Status> {
        let order_id = order_id(&request.get_ref().order_id)?;
        let (payment, refunds) = refresh_payment(&self.app, order_id).await?;
        Ok(Response::new(pb::Payment {
            refunds: refunds.into_iter().map(convert::for_staff).collect(),
            ..payment.into()
        }))
    }

    #[tracing::instrument(name = "payment.reconcile", skip_all)]
    async fn reconcile(
        &self,
        request: Request<pb::ReconcileRequest>,
    ) -> Result<Response<pb::Reconciliation>, Status> {
        let date = convert::date(&request.get_ref().date)?;
        let (date, runs) = reconcile(&self.app, date).await?;
        Ok(Response::new(convert::reconciliation(date, &runs)))
    }

    #[tracing::instrument(name = "payment.get_reconciliation", skip_all)]
    async fn get_reconciliation(
        &self,
        request: Request<pb::GetReconciliationRequest>,
    ) -> Result<Response<pb::Reconciliation>, Status> {
        let date = convert::date(&request.get_ref().date)?;
        let (date, runs) = get_reconciliation(&self.app, date).await?;
        Ok(Response::new(convert::reconciliation(date, &runs)))
    }

    #[tracing::instrument(name = "payment.list_discrepancies", skip_all)]
    async fn list_discrepancies(
        &self,
        request: Request<pb::ListDiscrepanciesRequest>,
    ) -> Result<Response<pb::ListDiscrepanciesResponse>, Status> {
        let (filter, page_size) = convert::list_discrepancies(request.get_ref())?;
        let (found, next) = list_discrepancies(&self.app, filter, page_size).await?;
        Ok(Response::new(pb::ListDiscrepanciesResponse {
            discrepancies: found.into_iter().map(Into::into).collect(),
            next_page_token: next.map(|last| page::encode(&last)).unwrap_or_default(),
        }))
    }

    #[tracing::instrument(name = "payment.resolve_discrepancy", skip_all)]
    async fn resolve_discrepancy(
        &self,
        request: Request<pb::ResolveDiscrepancyRequest>,
    ) -> Result<Response<pb::Discrepancy>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.get_ref();
        let resolution = Resolution {
            staff_id: caller.account_id,
            reason: Reason::parse(&request.reason)?,
        };
        let id = id::parse("id", &request.id)?;
        let discrepancy = resolve_discrepancy(&self.app, id, resolution).await?;
        Ok(Response::new(discrepancy.into()))
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
