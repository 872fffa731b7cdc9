from django.urls import path

from apps.markets import incentive_views, list_views, milestone_views, views

urlpatterns = [
    path("", list_views.markets, name="markets"),
    path("rows.json", list_views.market_rows, name="market_rows"),
    path("search.json", list_views.market_search, name="market_search"),
    path("rewards/", incentive_views.rewards, name="market_rewards"),
    path("watchlists/star/", list_views.watchlist_star, name="watchlist_star"),
    path("watchlists/create/", list_views.watchlist_create, name="watchlist_create"),
    path("watchlists/<int:watchlist_id>/rename/", list_views.watchlist_rename, name="watchlist_rename"),
    path("watchlists/<int:watchlist_id>/remove/", list_views.watchlist_remove, name="watchlist_remove"),
    path("events/<str:ticker>/", list_views.event_detail, name="event_detail"),
    path("events/<str:ticker>/metadata.json", milestone_views.event_metadata_read, name="event_metadata"),
    path("milestones/<str:milestone_id>/plays.json", milestone_views.milestone_plays, name="milestone_plays"),
    path("<str:ticker>/", views.market_detail, name="market_detail"),
    path("<str:ticker>/candles.json", views.market_candles, name="market_candles"),
]
