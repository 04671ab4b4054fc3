// Everything comes from this service, and nothing goes elsewhere: no validator, no fonts.
SwaggerUIBundle({
  url: new URL("schema", document.baseURI).href,
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,
});
