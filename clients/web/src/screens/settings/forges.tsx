// The forges this server works with, and the person's link with GitHub.
import type { ServerInfo } from "../../model/generated/api.gen.ts";
import { Button } from "../../parts/controls/button.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

export function Forges() {
  const about = useResource<ServerInfo>("/v1/about");
  return (
    <ResourceView of={about}>
      {(server) => (
        <>
          <ul class="things">
            {server.forges.map((forge) => (
              <li key={forge.url}>
                <span>
                  <span>{forge.kind === "gitlab" ? "GitLab" : "GitHub"}</span>
                  <span class="soft small">{forge.url}</span>
                </span>
              </li>
            ))}
          </ul>
          {server.sign_in_methods.includes("github") && <GitHubLink />}
        </>
      )}
    </ResourceView>
  );
}

function GitHubLink() {
  const { api } = useApp();
  const act = async (work: () => Promise<void>) => {
    await attempt(async () => {
      await work();
    });
  };
  return (
    <section class="settings-section">
      <h2>Your GitHub account</h2>
      <p class="soft">With it you choose among the repositories that you can see there.</p>
      <Button
        icon="link"
        onPress={() =>
          void act(async () => {
            const { url } = await api.post<{ url: string }>("/v1/oauth/github");
            location.assign(url);
          })
        }
      >
        Link GitHub
      </Button>
      <Button
        look="quiet"
        onPress={() =>
          void act(async () => {
            await api.delete("/v1/oauth/github");
            toast({ text: "GitHub is no longer linked." });
          })
        }
      >
        Remove the link
      </Button>
    </section>
  );
}
