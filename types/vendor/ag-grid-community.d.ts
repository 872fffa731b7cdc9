export * from "ag-grid-community";
