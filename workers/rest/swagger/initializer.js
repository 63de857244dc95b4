// Shows the contract of the server that the page came from.
window.onload = () => {
  SwaggerUIBundle({
    url: "/api/v1/swagger.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    validatorUrl: null, // nothing is asked of other servers
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
};
