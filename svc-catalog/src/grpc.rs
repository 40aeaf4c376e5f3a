//! The methods of `souk.catalog.v1.CatalogService`: decode, call, encode.

mod attributes;
mod convert;
mod search;

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use proto::souk::catalog::v1::{
    self as pb,
    catalog_service_server::{CatalogService, CatalogServiceServer},
};
use svc_kit::id;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    adjust_stock::{AdjustStock, adjust_stock},
    app::App,
    batch_get_products::batch_get_products,
    category::Category,
    create_category::create_category,
    create_product::{CreateProduct, create_product},
    error::Error,
    get_product::get_product,
    get_stock::get_stock,
    import_products::{Row, import_products},
    list_categories::list_categories,
    list_products::{ListProducts, list_products},
    product::{Draft, ProductId},
    search_products::{SearchProducts, search_products},
    suggest_products::suggest_products,
    update_product::update_product,
    violation::Violation,
};

/// The largest message that is read: a full import message of long rows.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Answers the service's methods.
#[derive(Debug, Clone)]
pub struct CatalogGrpc {
    app: App,
}

impl CatalogGrpc {
    /// With this.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// As a server takes it.
    pub fn into_server(self) -> CatalogServiceServer<Self> {
        CatalogServiceServer::new(self).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl CatalogService for CatalogGrpc {
    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let id: ProductId = id::parse("id", &request.into_inner().id)?;
        let product = get_product(&self.app, id).await?;
        Ok(Response::new(convert::product(&product)))
    }

    async fn batch_get_products(
        &self,
        request: Request<pb::BatchGetProductsRequest>,
    ) -> Result<Response<pb::BatchGetProductsResponse>, Status> {
        let ids: Vec<ProductId> = request
            .into_inner()
            .ids
            .iter()
            .map(|id| id::parse("ids", id))
            .collect::<Result<_, _>>()?;
        let batch = batch_get_products(&self.app, &ids).await?;
        Ok(Response::new(pb::BatchGetProductsResponse {
            products: batch.products.iter().map(convert::product).collect(),
            missing_ids: batch.missing.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn list_products(
        &self,
        request: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ListProductsResponse>, Status> {
        let request = request.into_inner();
        let query = ListProducts {
            category_id: convert::category_id("category_id", &request.category_id)?,
            page_size: request.page_size,
            page_token: request.page_token,
        };
        let page = list_products(&self.app, query).await?;
        Ok(Response::new(pb::ListProductsResponse {
            products: page.products.iter().map(convert::product).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn list_categories(
        &self,
        _: Request<pb::ListCategoriesRequest>,
    ) -> Result<Response<pb::ListCategoriesResponse>, Status> {
        let categories = list_categories(&self.app).await?;
        Ok(Response::new(pb::ListCategoriesResponse {
            categories: categories.into_iter().map(convert::category).collect(),
        }))
    }

    async fn search_products(
        &self,
        request: Request<pb::SearchProductsRequest>,
    ) -> Result<Response<pb::SearchProductsResponse>, Status> {
        let command = SearchProducts::try_from(request.into_inner())?;
        let results = search_products(&self.app, command).await?;
        Ok(Response::new(results.into()))
    }

    async fn suggest_products(
        &self,
        request: Request<pb::SuggestProductsRequest>,
    ) -> Result<Response<pb::SuggestProductsResponse>, Status> {
        let request = request.into_inner();
        let suggestions = suggest_products(&self.app, &request.prefix, request.page_size).await?;
        Ok(Response::new(pb::SuggestProductsResponse {
            suggestions: suggestions.into_iter().map(search::suggestion).collect(),
        }))
    }

    async fn create_product(
        &self,
        request: Request<pb::CreateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let request = request.into_inner();
        let command = CreateProduct {
            draft: Draft::from(request.product.unwrap_or_default()),
            initial_stock: request.initial_stock,
            request_id: convert::request_id(&request.request_id)?,
        };
        let product = create_product(&self.app, command).await?;
        Ok(Response::new(convert::product(&product)))
    }

    async fn update_product(
        &self,
        request: Request<pb::UpdateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let request = request.into_inner();
        let draft = Draft::from(request.product.unwrap_or_default());
        let mask = request.update_mask.unwrap_or_default().paths;
        let product = update_product(&self.app, draft, &mask).await?;
        Ok(Response::new(convert::product(&product)))
    }

    async fn adjust_stock(
        &self,
        request: Request<pb::AdjustStockRequest>,
    ) -> Result<Response<pb::Stock>, Status> {
        let request = request.into_inner();
        let command = AdjustStock {
            product_id: id::parse("product_id", &request.product_id)?,
            delta: request.delta,
            request_id: id::parse("request_id", &request.request_id)?,
            reason: request.reason,
        };
        let stock = adjust_stock(&self.app, command).await?;
        Ok(Response::new(stock.into()))
    }

    async fn get_stock(
        &self,
        request: Request<pb::GetStockRequest>,
    ) -> Result<Response<pb::Stock>, Status> {
        let id: ProductId = id::parse("product_id", &request.into_inner().product_id)?;
        let stock = get_stock(&self.app, id).await?;
        Ok(Response::new(stock.into()))
    }

    async fn create_category(
        &self,
        request: Request<pb::CreateCategoryRequest>,
    ) -> Result<Response<pb::Category>, Status> {
        let new = request.into_inner().category.unwrap_or_default();
        let category = Category::new(&new.id, &new.title, &new.parent_id).map_err(
            |violations: Vec<Violation>| Error::Rules {
                parent: "category",
                violations,
            },
        )?;
        let category = create_category(&self.app, category).await?;
        Ok(Response::new(convert::category(category)))
    }

    type ImportProductsStream = BoxStream<'static, Result<pb::ImportProductsResponse, Status>>;

    async fn import_products(
        &self,
        request: Request<Streaming<pb::ImportProductsRequest>>,
    ) -> Result<Response<Self::ImportProductsStream>, Status> {
        let app = self.app.clone();
        // One message after the other: each answer follows its question.
        let answers = request.into_inner().and_then(move |message| {
            let app = app.clone();
            async move {
                let rows: Vec<Row> = message.rows.into_iter().map(Row::from).collect();
                let imported = import_products(&app, rows).await?;
                Ok(imported.into())
            }
        });
        Ok(Response::new(answers.boxed()))
    }
}
