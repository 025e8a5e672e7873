// The only file that builds things: the app's state, the page, and the service worker.
import { render } from "preact";
import { offerUpdate } from "./parts/frame/update_bar.tsx";
import { followViewport } from "./parts/frame/viewport.ts";
import { preload, Root } from "./screens/app.tsx";
import { AppContext } from "./state/app.ts";
import { createApp } from "./state/create_app.ts";
import { startServiceWorker } from "./state/device/service_worker.ts";
import "./style/tokens.css";
import "./style/base.css";

preload(window.location.pathname);
const app = createApp(window);

followViewport(window);
render(
  <AppContext.Provider value={app}>
    <Root />
  </AppContext.Provider>,
  document.getElementById("app")!,
);
void startServiceWorker({
  router: app.router,
  onUpdate: offerUpdate,
  onSubscribe: () => void app.push.refresh(navigator.platform),
});
